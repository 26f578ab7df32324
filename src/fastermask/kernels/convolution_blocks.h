// How a convolution's output is cut into blocks that stay in a core's cache. Inner header of the convolutions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastermask/base/function_ref.h"
#include "fastermask/base/span.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

// Panels that so many output channels fill.
inline int panels_of(int channels) { return (channels + kPanelWidth - 1) / kPanelWidth; }

// `count` neighbouring output pixels of one line.
struct LineSegment {
  std::int64_t image = 0;
  std::int64_t y = 0;  // line of its image
  std::int64_t x = 0;
  std::int64_t count = 0;
};

// Deeper sums of 1x1 kernels are cut, so that a panel of weights stays in the first-level cache.
constexpr int kMaxDepth = 512;
// Of bfloat16 numbers, which come faster than sums can be laid down and taken up again.
constexpr int kMaxHalfDepth = 2048;

// More weights than this do not stay in a cache while a layer's blocks read them one after the other.
constexpr std::size_t kManyWeights = std::size_t{1} << 20;

// Output pixels a block should have when each needs `depth` floats of input: about 200 KB, half of a second-level
// cache.
constexpr int kMaxBlockRows = 240;
inline int block_rows(int depth) {
  return std::clamp(49152 / std::min(depth, kMaxDepth) / 12 * 12, 48, kMaxBlockRows);
}

struct LineGrid {
  std::int64_t lines = 0;  // of all images
  std::int64_t lines_per_image = 0;
  std::int64_t length = 0;  // pixels a line
  int rows = 96;            // pixels wanted a block
  int rows_at_once = 12;    // whose multiples a product computes without a rest
};

// Calls `body` with the segments of one block after the other, in parallel; together they cover the grid once. `body`
// must not call it again.
void run_blocks(const LineGrid& grid, FunctionRef<void(Span<const LineSegment>)> body);

// The bias in `columns` channels of `count` pixels.
void fill_lines(const float* bias, int columns, float* out, std::ptrdiff_t stride, std::int64_t count);

}  // namespace fastermask
