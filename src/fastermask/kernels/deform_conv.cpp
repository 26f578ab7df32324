// Deformable sampling, channels last: every tap is a weighted sum of up to four rows of C / G floats.
#include "fastermask/kernels/deform_conv.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

// The pixels around a sample that lie inside the input, and their shares.
struct DeformCorners {
  int count = 0;
  std::ptrdiff_t pixels[4] = {};  // y * W + x
  float weights[4] = {};
  float down[4] = {};   // change of the weight as the sample moves down by one pixel
  float right[4] = {};  // and right
};

DeformCorners deform_corners(float y, float x, int height, int width) {
  DeformCorners corners;
  const bool inside = y > -1 && x > -1 && y < static_cast<float>(height) && x < static_cast<float>(width);
  if (!inside) return corners;
  const int top = static_cast<int>(std::floor(y));
  const int left = static_cast<int>(std::floor(x));
  const float low_y = y - static_cast<float>(top), low_x = x - static_cast<float>(left);
  for (int i = 0; i < 4; ++i) {
    const int row = top + i / 2, column = left + i % 2;
    if (row < 0 || column < 0 || row >= height || column >= width) continue;
    const float share_y = i / 2 == 1 ? low_y : 1 - low_y;
    const float share_x = i % 2 == 1 ? low_x : 1 - low_x;
    const int at = corners.count++;
    corners.pixels[at] = static_cast<std::ptrdiff_t>(row) * width + column;
    corners.weights[at] = share_y * share_x;
    corners.down[at] = i / 2 == 1 ? share_x : -share_x;
    corners.right[at] = i % 2 == 1 ? share_y : -share_y;
  }
  return corners;
}

float deform_sigmoid(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

// Sizes that all loops need, and where a tap samples.
class DeformGrid {
 public:
  DeformGrid(const DeformShape& shape, const DeformParams& params)
      : shape_(shape),
        params_(params),
        taps_(params.kernel * params.kernel),
        rows_(deform_output_size(shape.height, params)),
        columns_(deform_output_size(shape.width, params)),
        offset_channels_(deform_offset_channels(params)) {
    FASTERMASK_CHECK(params.offset_groups > 0 && shape.channels % params.offset_groups == 0,
                     "deform_conv: {} channels cannot be divided into {} offset groups", shape.channels,
                     params.offset_groups);
  }

  int taps() const { return taps_; }
  int group_channels() const { return shape_.channels / params_.offset_groups; }
  std::int64_t output_rows() const { return static_cast<std::int64_t>(shape_.batch) * rows_; }
  int output_columns() const { return columns_; }
  std::int64_t pixels_an_image() const { return static_cast<std::int64_t>(rows_) * columns_; }
  std::size_t image_floats() const {
    return static_cast<std::size_t>(shape_.height) * static_cast<std::size_t>(shape_.width) *
           static_cast<std::size_t>(shape_.channels);
  }
  int offset_channels() const { return offset_channels_; }

  // `offsets` are those of output pixel `pixel` (of all images).
  DeformCorners corners(std::int64_t pixel, int group, int tap, const float* offsets) const {
    const auto row = static_cast<int>(pixel / columns_ % rows_);
    const auto column = static_cast<int>(pixel % columns_);
    const float* moved = offsets + 2 * (group * taps_ + tap);
    const int y = row * params_.stride - params_.padding + tap / params_.kernel * params_.dilation;
    const int x = column * params_.stride - params_.padding + tap % params_.kernel * params_.dilation;
    return deform_corners(static_cast<float>(y) + moved[0], static_cast<float>(x) + moved[1], shape_.height,
                          shape_.width);
  }

  // The tap's weight: 1 in v1.
  float tap_weight(int group, int tap, const float* offsets) const {
    return params_.modulated ? deform_sigmoid(offsets[weight_channel(group, tap)]) : 1.0f;
  }
  int weight_channel(int group, int tap) const { return 2 * params_.offset_groups * taps_ + group * taps_ + tap; }

 private:
  const DeformShape& shape_;
  const DeformParams& params_;
  int taps_;
  int rows_;
  int columns_;
  int offset_channels_;
};

// The gradient of one tap's offsets and weight, from dot products of the gradient with the rows around the sample.
void tap_gradient(const DeformGrid& grid, const DeformParams& params, const DeformCorners& corners, int group, int tap,
                  const float* image, int channels, const float* gradient, const float* offsets, float* grad_offsets) {
  float value = 0, down = 0, right = 0;
  for (int i = 0; i < corners.count; ++i) {
    const float dot = row_ops().dot(gradient, image + corners.pixels[i] * channels, grid.group_channels());
    value += corners.weights[i] * dot;
    down += corners.down[i] * dot;
    right += corners.right[i] * dot;
  }
  const float weight = grid.tap_weight(group, tap, offsets);
  grad_offsets[2 * (group * grid.taps() + tap)] = weight * down;
  grad_offsets[2 * (group * grid.taps() + tap) + 1] = weight * right;
  if (params.modulated) grad_offsets[grid.weight_channel(group, tap)] = weight * (1 - weight) * value;
}

}  // namespace

int deform_output_size(int size, const DeformParams& params) {
  const int extent = params.dilation * (params.kernel - 1) + 1;
  FASTERMASK_CHECK(params.kernel > 0 && params.stride > 0 && size + 2 * params.padding >= extent,
                   "deform_conv: {} pixels with padding {} are too few for a kernel of {} (dilation {})", size,
                   params.padding, params.kernel, params.dilation);
  return (size + 2 * params.padding - extent) / params.stride + 1;
}

int deform_offset_channels(const DeformParams& params) {
  return (params.modulated ? 3 : 2) * params.offset_groups * params.kernel * params.kernel;
}

void deform_columns(const DeformShape& shape, const DeformParams& params, const float* input, const float* offsets,
                    float* columns) {
  const DeformGrid grid(shape, params);
  const std::size_t row_floats = static_cast<std::size_t>(grid.taps()) * static_cast<std::size_t>(shape.channels);
  const int group_channels = grid.group_channels();
  parallel_for(0, grid.output_rows(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin * grid.output_columns(); pixel < end * grid.output_columns(); ++pixel) {
      const float* image = input + static_cast<std::size_t>(pixel / grid.pixels_an_image()) * grid.image_floats();
      const float* moved = offsets + pixel * grid.offset_channels();
      float* out = columns + static_cast<std::size_t>(pixel) * row_floats;
      for (int group = 0; group < params.offset_groups; ++group) {
        for (int tap = 0; tap < grid.taps(); ++tap) {
          DeformCorners corners = grid.corners(pixel, group, tap, moved);
          const float weight = grid.tap_weight(group, tap, moved);
          const float* rows[4] = {};
          for (int i = 0; i < corners.count; ++i) {
            rows[i] = image + corners.pixels[i] * shape.channels + group * group_channels;
            corners.weights[i] *= weight;
          }
          row_ops().weighted_sum(rows, corners.weights, corners.count, group_channels, false,
                                 out + tap * shape.channels + group * group_channels);
        }
      }
    }
  });
}

void deform_columns_backward_input(const DeformShape& shape, const DeformParams& params, const float* offsets,
                                   const float* grad_columns, float* grad_input) {
  constexpr int kBlock = 64;  // channels a task: whole cache lines, so that tasks never write to the same one
  const DeformGrid grid(shape, params);
  const int group_channels = grid.group_channels();
  const int blocks = (group_channels + kBlock - 1) / kBlock;
  const std::int64_t tasks = static_cast<std::int64_t>(shape.batch) * params.offset_groups * blocks;
  parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const auto image = task / (params.offset_groups * blocks);
      const auto group = static_cast<int>(task / blocks % params.offset_groups);
      const auto first = group * group_channels + static_cast<int>(task % blocks) * kBlock;
      const int count = std::min(kBlock, (group + 1) * group_channels - first);
      float* target = grad_input + static_cast<std::size_t>(image) * grid.image_floats() + first;
      for (std::int64_t pixel = image * grid.pixels_an_image(); pixel < (image + 1) * grid.pixels_an_image(); ++pixel) {
        const float* moved = offsets + pixel * grid.offset_channels();
        for (int tap = 0; tap < grid.taps(); ++tap) {
          const DeformCorners corners = grid.corners(pixel, group, tap, moved);
          const float weight = grid.tap_weight(group, tap, moved);
          const float* gradient = grad_columns + (pixel * grid.taps() + tap) * shape.channels + first;
          for (int i = 0; i < corners.count; ++i) {
            const float share = corners.weights[i] * weight;
            row_ops().weighted_sum(&gradient, &share, 1, count, true, target + corners.pixels[i] * shape.channels);
          }
        }
      }
    }
  });
}

void deform_columns_backward_offsets(const DeformShape& shape, const DeformParams& params, const float* input,
                                     const float* offsets, const float* grad_columns, float* grad_offsets) {
  const DeformGrid grid(shape, params);
  parallel_for(0, grid.output_rows(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin * grid.output_columns(); pixel < end * grid.output_columns(); ++pixel) {
      const float* image = input + static_cast<std::size_t>(pixel / grid.pixels_an_image()) * grid.image_floats();
      const float* moved = offsets + pixel * grid.offset_channels();
      for (int group = 0; group < params.offset_groups; ++group) {
        const int first = group * grid.group_channels();
        for (int tap = 0; tap < grid.taps(); ++tap) {
          tap_gradient(grid, params, grid.corners(pixel, group, tap, moved), group, tap, image + first, shape.channels,
                       grad_columns + (pixel * grid.taps() + tap) * shape.channels + first, moved,
                       grad_offsets + pixel * grid.offset_channels());
        }
      }
    }
  });
}

}  // namespace fastermask
