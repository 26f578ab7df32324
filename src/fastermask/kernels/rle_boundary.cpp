// The rim of a run-length encoded mask, column by column.
#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

// The mask's set pixels by column: begin and end row of each run.
std::vector<std::vector<std::pair<int, int>>> runs_by_column(const Rle& rle) {
  std::vector<std::vector<std::pair<int, int>>> columns(static_cast<std::size_t>(rle.width));
  const std::size_t height = static_cast<std::size_t>(rle.height);
  for_each_run(rle, [&](std::size_t begin, std::size_t end) {
    while (begin < end) {
      const std::size_t x = begin / height;
      const std::size_t stop = std::min(end, (x + 1) * height);
      columns[x].emplace_back(static_cast<int>(begin - x * height), static_cast<int>(stop - x * height));
      begin = stop;
    }
  });
  return columns;
}

}  // namespace

int boundary_distance(int height, int width, double ratio) {
  const double diagonal = std::sqrt(static_cast<double>(height) * height + static_cast<double>(width) * width);
  return std::max(1, static_cast<int>(std::nearbyint(ratio * diagonal)));
}

Rle rle_boundary(const Rle& rle, int distance) {
  check_rle(rle, "rle_boundary");
  FASTERMASK_CHECK(distance > 0, "rle_boundary: the distance must be positive, got {}", distance);
  if (rle.height == 0 || rle.width == 0) return rle;
  const auto columns = runs_by_column(rle);
  const std::size_t height = static_cast<std::size_t>(rle.height);
  std::vector<int> deep(height, 0);  // how many of the columns around have the pixel that far from their runs' ends
  const auto count_column = [&](int x, int step) {
    if (x < 0 || x >= rle.width) return;
    for (const auto& [begin, end] : columns[static_cast<std::size_t>(x)]) {
      for (int y = begin + distance; y < end - distance; ++y) deep[static_cast<std::size_t>(y)] += step;
    }
  };
  const int reach = std::min(distance, rle.width);
  for (int x = 0; x < reach; ++x) count_column(x, 1);
  std::vector<std::uint8_t> rim(height);
  RunWriter writer;
  for (int x = 0; x < rle.width; ++x) {
    count_column(x + distance, 1);
    if (distance < rle.width) count_column(x - distance - 1, -1);
    if (columns[static_cast<std::size_t>(x)].empty()) {
      writer.add(0, static_cast<std::uint32_t>(height));
      continue;
    }
    std::fill(rim.begin(), rim.end(), 0);
    for (const auto& [begin, end] : columns[static_cast<std::size_t>(x)]) {
      for (auto y = static_cast<std::size_t>(begin); y < static_cast<std::size_t>(end); ++y) {
        rim[y] = deep[y] <= 2 * distance ? 1 : 0;
      }
    }
    writer.add_bytes(rim.data(), height);
  }
  return writer.finish(rle.height, rle.width);
}

}  // namespace fastermask
