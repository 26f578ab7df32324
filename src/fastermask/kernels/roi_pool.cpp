// RoIPool: maxima over rounded bins, and the way back through the indices of the maxima.
#include "fastermask/kernels/roi_pool.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

// First and last + 1 pixel of a bin along one axis.
struct PoolRange {
  int begin;
  int end;
};

// A corner in feature pixels. Far outside any level all values mean the same, so it is limited to keep sums in range.
int pool_corner(float coordinate, float scale) {
  constexpr float kLimit = 1e8f;
  return static_cast<int>(std::round(std::min(std::max(coordinate * scale, -kLimit), kLimit)));
}

PoolRange pool_range(int start, int end, int pooled, int bin, int length) {
  const float bin_size = static_cast<float>(std::max(end - start + 1, 1)) / static_cast<float>(pooled);
  const int low = start + static_cast<int>(std::floor(static_cast<float>(bin) * bin_size));
  const int high = start + static_cast<int>(std::ceil(static_cast<float>(bin + 1) * bin_size));
  return {std::min(std::max(low, 0), length), std::min(std::max(high, 0), length)};
}

void pool_bin(const float* image, PoolRange rows, PoolRange columns, int width, std::size_t channels, float* output,
              std::int32_t* argmax) {
  std::fill(argmax, argmax + channels, -1);
  if (rows.begin >= rows.end || columns.begin >= columns.end) {
    std::fill(output, output + channels, 0.0f);
    return;
  }
  std::fill(output, output + channels, -std::numeric_limits<float>::max());
  for (int y = rows.begin; y < rows.end; ++y) {
    for (int x = columns.begin; x < columns.end; ++x) {
      const std::int32_t index = y * width + x;
      row_ops().update_maximum(image + static_cast<std::size_t>(index) * channels, index,
                               static_cast<std::ptrdiff_t>(channels), output, argmax);
    }
  }
}

}  // namespace

void roi_pool_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, int pooled_height, int pooled_width,
                      float* output, std::int32_t* argmax) {
  check_roi_arguments(levels, rois, pooled_height, pooled_width, 0, "roi_pool");
  if (rois.empty()) return;
  const std::size_t channels = static_cast<std::size_t>(levels[0].channels);
  parallel_for(0, static_cast<std::int64_t>(rois.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t> unused(channels);
    const std::size_t bins = static_cast<std::size_t>(pooled_height) * static_cast<std::size_t>(pooled_width);
    std::size_t at = static_cast<std::size_t>(begin) * bins * channels;
    for (std::int64_t r = begin; r < end; ++r) {
      const Roi& roi = rois[static_cast<std::size_t>(r)];
      const FeatureLevel& level = levels[static_cast<std::size_t>(roi.level)];
      const float* image = level.data + static_cast<std::size_t>(roi.image) * static_cast<std::size_t>(level.height) *
                                            static_cast<std::size_t>(level.width) * channels;
      const int y1 = pool_corner(roi.box.y1, level.spatial_scale);
      const int y2 = pool_corner(roi.box.y2, level.spatial_scale);
      const int x1 = pool_corner(roi.box.x1, level.spatial_scale);
      const int x2 = pool_corner(roi.box.x2, level.spatial_scale);
      for (int bin = 0; bin < pooled_height * pooled_width; ++bin, at += channels) {
        pool_bin(image, pool_range(y1, y2, pooled_height, bin / pooled_width, level.height),
                 pool_range(x1, x2, pooled_width, bin % pooled_width, level.width), level.width, channels,
                 output + at, argmax == nullptr ? unused.data() : argmax + at);
      }
    }
  });
}

void roi_pool_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, int pooled_height,
                       int pooled_width, const float* grad_output, const std::int32_t* argmax) {
  check_roi_arguments(levels, rois, pooled_height, pooled_width, 0, "roi_pool");
  if (rois.empty()) return;
  constexpr std::size_t kBlock = 16;  // one cache line of channels: tasks never write to the same line
  const std::size_t channels = static_cast<std::size_t>(levels[0].channels);
  const std::size_t bins = static_cast<std::size_t>(pooled_height) * static_cast<std::size_t>(pooled_width);
  const std::int64_t blocks = static_cast<std::int64_t>((channels + kBlock - 1) / kBlock);
  parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::size_t first = static_cast<std::size_t>(begin) * kBlock;
    const std::size_t last = std::min(static_cast<std::size_t>(end) * kBlock, channels);
    for (std::size_t row = 0; row < rois.size() * bins; ++row) {
      const Roi& roi = rois[row / bins];
      const FeatureLevelGradient& level = levels[static_cast<std::size_t>(roi.level)];
      const std::size_t pixels = static_cast<std::size_t>(level.height) * static_cast<std::size_t>(level.width);
      float* image = level.data + static_cast<std::size_t>(roi.image) * pixels * channels;
      for (std::size_t c = first; c < last; ++c) {
        const std::int32_t index = argmax[row * channels + c];
        if (index < 0) continue;
        FASTERMASK_CHECK(static_cast<std::size_t>(index) < pixels,
                         "roi_pool: argmax {} is outside a level of {} pixels", index, pixels);
        image[static_cast<std::size_t>(index) * channels + c] += grad_output[row * channels + c];
      }
    }
  });
}

}  // namespace fastermask
