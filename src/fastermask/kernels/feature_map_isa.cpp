// See feature_map.h. Plain loops, which the compiler turns into vectors of each instruction set.
#include "fastermask/kernels/feature_map.h"

namespace fastermask::FASTERMASK_ISA {

void max_of_pixels(const float* const* pixels, int count, int channels, float* out) {
  const float* first = pixels[0];
  for (int c = 0; c < channels; ++c) out[c] = first[c];
  for (int i = 1; i < count; ++i) {
    const float* in = pixels[i];
    for (int c = 0; c < channels; ++c) out[c] = out[c] >= in[c] || out[c] != out[c] ? out[c] : in[c];
  }
}

void scale_shift_pixel(const float* in, const float* scale, const float* shift, int channels, bool relu, float* out) {
  if (relu) {
    for (int c = 0; c < channels; ++c) {
      const float value = in[c] * scale[c] + shift[c];
      out[c] = value < 0.0f ? 0.0f : value;
    }
  } else {
    for (int c = 0; c < channels; ++c) out[c] = in[c] * scale[c] + shift[c];
  }
}

void add_moments(const float* in, std::int64_t pixels, int channels, double* sums, double* squares) {
  for (std::int64_t p = 0; p < pixels; ++p, in += channels) {
    for (int c = 0; c < channels; ++c) {
      const double value = static_cast<double>(in[c]);
      sums[c] += value;
      squares[c] += value * value;
    }
  }
}

void add_rows(const float* a, const float* b, float factor, bool relu, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float sum = factor * (a[i] + b[i]);
    out[i] = relu && sum < 0.0f ? 0.0f : sum;
  }
}

}  // namespace fastermask::FASTERMASK_ISA
