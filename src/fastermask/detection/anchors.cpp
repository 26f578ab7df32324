#include "fastermask/detection/anchors.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

// A list given once stands for every level.
void spread_over_levels(std::vector<std::vector<double>>& values, std::size_t num_levels, const char* what) {
  if (values.size() == 1) values.resize(num_levels, values.front());
  if (values.size() != num_levels) {
    fail<ConfigError>("anchors: {} must be given once or for each of the {} levels, got {}", what, num_levels,
                      values.size());
  }
}

Boxes make_cell_anchors(const std::vector<double>& sizes, const std::vector<double>& aspect_ratios) {
  Boxes anchors;
  for (const double size : sizes) {
    for (const double ratio : aspect_ratios) {
      const double width = std::sqrt(size * size / ratio);
      const double height = ratio * width;
      anchors.push_back({static_cast<float>(-width / 2), static_cast<float>(-height / 2),
                         static_cast<float>(width / 2), static_cast<float>(height / 2)});
    }
  }
  return anchors;
}

void check_anchor_values(const std::vector<std::vector<double>>& values, const char* what) {
  for (std::size_t level = 0; level < values.size(); ++level) {
    if (values[level].empty()) fail<ConfigError>("anchors: {} of level {} must not be empty", what, level);
    for (const double value : values[level]) {
      if (!(value > 0) || !std::isfinite(value)) {
        fail<ConfigError>("anchors: {} of level {} must be positive, got {}", what, level, value);
      }
    }
  }
}

}  // namespace

AnchorGenerator::AnchorGenerator(std::vector<std::vector<double>> sizes,
                                 std::vector<std::vector<double>> aspect_ratios, std::vector<int> strides,
                                 double offset)
    : strides_(std::move(strides)), offset_(offset) {
  if (strides_.empty()) fail<ConfigError>("anchors: there must be at least one level");
  for (const int stride : strides_) {
    if (stride < 1) fail<ConfigError>("anchors: strides must be at least 1, got {}", stride);
  }
  if (!(offset >= 0 && offset < 1)) fail<ConfigError>("anchors: offset must be in [0, 1), got {}", offset);
  spread_over_levels(sizes, strides_.size(), "sizes");
  spread_over_levels(aspect_ratios, strides_.size(), "aspect_ratios");
  check_anchor_values(sizes, "sizes");
  check_anchor_values(aspect_ratios, "aspect_ratios");
  for (std::size_t level = 0; level < strides_.size(); ++level) {
    cell_anchors_.push_back(make_cell_anchors(sizes[level], aspect_ratios[level]));
  }
}

GridAnchors AnchorGenerator::grid_anchors(Span<const ImageSize> grid_sizes) const {
  FASTERMASK_CHECK(grid_sizes.size() == strides_.size(), "anchors: there must be {} feature maps, got {}",
                   strides_.size(), grid_sizes.size());
  GridAnchors result;
  std::size_t total = 0;
  for (std::size_t level = 0; level < strides_.size(); ++level) {
    const ImageSize& grid = grid_sizes[level];
    FASTERMASK_CHECK(grid.height >= 0 && grid.width >= 0, "anchors: feature map {} has the size {} x {}", level,
                     grid.height, grid.width);
    const std::size_t count = static_cast<std::size_t>(grid.height) * static_cast<std::size_t>(grid.width) *
                              cell_anchors_[level].size();
    result.levels.push_back({total, total + count});
    total += count;
  }
  result.boxes.resize(total);
  for (std::size_t level = 0; level < strides_.size(); ++level) {
    const Boxes& cell = cell_anchors_[level];
    const std::size_t width = static_cast<std::size_t>(grid_sizes[level].width);
    const double stride = strides_[level];
    Box* level_boxes = result.boxes.data() + result.levels[level].begin;
    parallel_for(0, grid_sizes[level].height, 32, [&](std::int64_t first, std::int64_t last) {
      Box* out = level_boxes + static_cast<std::size_t>(first) * width * cell.size();
      for (std::int64_t y = first; y < last; ++y) {
        const float shift_y = static_cast<float>(offset_ * stride + static_cast<double>(y) * stride);
        for (std::size_t x = 0; x < width; ++x) {
          const float shift_x = static_cast<float>(offset_ * stride + static_cast<double>(x) * stride);
          for (const Box& box : cell) {
            *out++ = {shift_x + box.x1, shift_y + box.y1, shift_x + box.x2, shift_y + box.y2};
          }
        }
      }
    });
  }
  return result;
}

}  // namespace fastermask
