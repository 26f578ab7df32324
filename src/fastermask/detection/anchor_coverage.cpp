#include "fastermask/detection/anchor_coverage.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// The cell of a row of `count` whose shifted anchor centre lies nearest to `centre`.
float nearest_shift(double centre, double offset, int stride, int count) {
  const double cell = std::clamp(std::round((centre - offset) / stride), 0.0, count - 1.0);
  return static_cast<float>(offset + cell * stride);
}

}  // namespace

float best_anchor_iou(const AnchorGenerator& anchors, Span<const ImageSize> grid_sizes, const Box& box) {
  FASTERMASK_CHECK(grid_sizes.size() == static_cast<std::size_t>(anchors.num_levels()),
                   "anchors: there must be {} feature maps, got {}", anchors.num_levels(), grid_sizes.size());
  const double centre_x = (static_cast<double>(box.x1) + static_cast<double>(box.x2)) / 2;
  const double centre_y = (static_cast<double>(box.y1) + static_cast<double>(box.y2)) / 2;
  float best = 0;
  for (int level = 0; level < anchors.num_levels(); ++level) {
    const ImageSize& grid = grid_sizes[static_cast<std::size_t>(level)];
    if (grid.height < 1 || grid.width < 1) continue;
    const int stride = anchors.stride(level);
    const double offset = anchors.offset() * stride;
    const float x = nearest_shift(centre_x, offset, stride, grid.width);
    const float y = nearest_shift(centre_y, offset, stride, grid.height);
    for (const Box& cell : anchors.cell_anchors(level)) {
      best = std::max(best, iou(box, {x + cell.x1, y + cell.y1, x + cell.x2, y + cell.y2}));
    }
  }
  return best;
}

std::vector<ImageSize> anchor_grid_sizes(const AnchorGenerator& anchors, ImageSize input) {
  std::vector<ImageSize> sizes;
  for (int level = 0; level < anchors.num_levels(); ++level) {
    const int stride = anchors.stride(level);
    sizes.push_back({(input.height + stride - 1) / stride, (input.width + stride - 1) / stride});
  }
  return sizes;
}

}  // namespace fastermask
