#include "fastermask/kernels/ref_deform_conv.h"

#include <cmath>

namespace fastermask {
namespace {

// Channel c of image n at a point, interpolated between the four pixels around it; pixels outside are 0.
float sample_at(const DeformShape& shape, const float* input, int n, float y, float x, int c) {
  if (!(y > -1 && x > -1 && y < static_cast<float>(shape.height) && x < static_cast<float>(shape.width))) return 0;
  const auto pixel = [&](int row, int column) {
    if (row < 0 || column < 0 || row >= shape.height || column >= shape.width) return 0.0f;
    return input[((n * shape.height + row) * shape.width + column) * shape.channels + c];
  };
  const int top = static_cast<int>(std::floor(y)), left = static_cast<int>(std::floor(x));
  const float dy = y - static_cast<float>(top), dx = x - static_cast<float>(left);
  return (1 - dy) * (1 - dx) * pixel(top, left) + (1 - dy) * dx * pixel(top, left + 1) +
         dy * (1 - dx) * pixel(top + 1, left) + dy * dx * pixel(top + 1, left + 1);
}

}  // namespace

void ref_deform_columns(const DeformShape& shape, const DeformParams& params, const float* input, const float* offsets,
                        float* columns) {
  const int rows = deform_output_size(shape.height, params), cols = deform_output_size(shape.width, params);
  const int taps = params.kernel * params.kernel, groups = params.offset_groups;
  for (int n = 0; n < shape.batch; ++n) {
    for (int p = 0; p < rows; ++p) {
      for (int q = 0; q < cols; ++q, offsets += deform_offset_channels(params)) {
        for (int k = 0; k < taps; ++k) {
          for (int c = 0; c < shape.channels; ++c) {
            const int group = c / (shape.channels / groups);
            const int at = group * taps + k;
            const int y = p * params.stride - params.padding + k / params.kernel * params.dilation;
            const int x = q * params.stride - params.padding + k % params.kernel * params.dilation;
            const float value = sample_at(shape, input, n, static_cast<float>(y) + offsets[2 * at],
                                          static_cast<float>(x) + offsets[2 * at + 1], c);
            const float weight = params.modulated ? 1 / (1 + std::exp(-offsets[2 * groups * taps + at])) : 1;
            *columns++ = value * weight;
          }
        }
      }
    }
  }
}

}  // namespace fastermask
