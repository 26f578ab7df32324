// What networks do to feature maps besides convolutions: pooling, group norm, upsampling, sums.
// Float32, channels last; each parallel, with equal results for every thread count, and thread-safe.
//   N images   H, W size   P, Q output size   C channels   G groups
#pragma once

#include <cstdint>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

struct FeatureMapShape {
  int batch = 0;     // N
  int height = 0;    // H
  int width = 0;     // W
  int channels = 0;  // C

  std::int64_t pixels() const { return static_cast<std::int64_t>(batch) * height * width; }
  std::int64_t size() const { return pixels() * channels; }
};

// Largest value of each kernel x kernel window; what lies outside the map does not count. output [N, P, Q, C] with
// P = (H + 2 padding - kernel) / stride + 1.
void max_pool(const FeatureMapShape& shape, const float* input, int kernel, int stride, int padding, float* output);

// Each image's groups of C / G channels to mean 0 and variance 1 (the biased one), then scale and shift by channel,
// then relu if asked. Sums are taken in double. arXiv:1803.08494. `output` may be `input`.
void group_norm(const FeatureMapShape& shape, const float* input, int groups, double epsilon, const float* weight,
                const float* bias, bool relu, float* output);

// output = input * scale + shift by channel, then relu if asked. `output` may be `input`.
void scale_channels(const FeatureMapShape& shape, const float* input, const float* scale, const float* shift, bool relu,
                    float* output);

// output [N, scale H, scale W, C].
void upsample_nearest(const FeatureMapShape& shape, const float* input, int scale, float* output);
// Bilinear, corners not aligned: output pixel i samples (i + 0.5) / scale - 0.5, borders repeated.
void upsample_bilinear(const FeatureMapShape& shape, const float* input, int scale, float* output);

// The mean of each image's pixels, [N, C].
void spatial_mean(const FeatureMapShape& shape, const float* input, float* output);

// [N, H, W, C] -> [N, C * H * W], in C, H, W order.
void flatten_channels_first(const FeatureMapShape& shape, const float* input, float* output);
void flatten_channels_first(const FeatureMapShape& shape, const Bf16* input, float* output);
// And back, to bfloat16 rounded to the nearest.
void unflatten_channels_first(const FeatureMapShape& shape, const float* input, float* output);
void unflatten_channels_first(const FeatureMapShape& shape, const float* input, Bf16* output);

// output = factor * (a + b), then relu if asked; `output` may be either. `b` null: only a.
void add_maps(std::int64_t size, const float* a, const float* b, float factor, bool relu, float* output);

FASTERMASK_DECLARE_COPIES(
    // out[c] = largest of pixels[i][c], i < count; NaN wins, as it does in LibTorch.
    void max_of_pixels(const float* const* pixels, int count, int channels, float* out);

    // out[c] = in[c] * scale[c] + shift[c], then relu if asked; NaN stays.
    void scale_shift_pixel(const float* in, const float* scale, const float* shift, int channels, bool relu,
                           float* out);

    // sums[c] += in[c] and squares[c] += in[c]^2 over `pixels` pixels.
    void add_moments(const float* in, std::int64_t pixels, int channels, double* sums, double* squares);

    // out[i] = factor * (a[i] + b[i]), then relu if asked.
    void add_rows(const float* a, const float* b, float factor, bool relu, std::int64_t count, float* out);

    // out[c * rows + r] = in[r * columns + c].
    void turn_matrix(const float* in, int rows, int columns, float* out);
    void turn_matrix_of_bf16(const Bf16* in, int rows, int columns, float* out);
    void turn_matrix_to_bf16(const float* in, int rows, int columns, Bf16* out);)

}  // namespace fastermask
