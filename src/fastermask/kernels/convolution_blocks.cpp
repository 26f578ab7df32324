#include "fastermask/kernels/convolution_blocks.h"

#include <vector>

#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// At least `count`, and an equal share for every thread where a share is only a few.
std::int64_t balanced(std::int64_t count, std::int64_t threads) {
  return count < 8 * threads ? ceil_div(count, threads) * threads : count;
}

}  // namespace

void run_blocks(const LineGrid& grid, FunctionRef<void(Span<const LineSegment>)> body) {
  if (grid.lines == 0 || grid.length == 0) return;
  const std::int64_t threads = num_threads();
  // Long lines are cut; short ones are joined.
  std::int64_t parts = std::max<std::int64_t>(1, ceil_div(grid.length, grid.rows + grid.rows / 4));
  if (grid.lines < 8 * threads && parts > 1) parts = ceil_div(balanced(grid.lines * parts, threads), grid.lines);
  const std::int64_t part_length =
      std::min(grid.length, ceil_div(ceil_div(grid.length, parts), grid.rows_at_once) * grid.rows_at_once);
  parts = ceil_div(grid.length, part_length);
  const std::int64_t segments = grid.lines * parts;
  const std::int64_t joined = std::max<std::int64_t>(1, grid.rows / part_length);
  const std::int64_t blocks = std::min(segments, balanced(ceil_div(segments, joined), threads));
  parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    thread_local std::vector<LineSegment> kept;
    std::vector<LineSegment>& block = kept;
    for (std::int64_t b = begin; b < end; ++b) {
      block.clear();
      for (std::int64_t s = segments * b / blocks; s < segments * (b + 1) / blocks; ++s) {
        const std::int64_t line = s / parts;
        const std::int64_t x = s % parts * part_length;
        block.push_back(
            {line / grid.lines_per_image, line % grid.lines_per_image, x, std::min(part_length, grid.length - x)});
      }
      body(block);
    }
  });
}

void fill_lines(const float* bias, int columns, float* out, std::ptrdiff_t stride, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i, out += stride) std::copy(bias, bias + columns, out);
}

}  // namespace fastermask
