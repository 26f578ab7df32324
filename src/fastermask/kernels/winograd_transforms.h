// Winograd's transforms (winograd_tile.h) on vectors, for the file that defines FASTERMASK_ISA: those of polynomial
// interpolation at 0, +-a, +-b and infinity; even and odd powers are summed apart, so that +a and -a share them.
#pragma once

#include "fastermask/kernels/lanes.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

constexpr float kA = kWinogradPointA;
constexpr float kB = kWinogradPointB;
constexpr float kA2 = kA * kA;
constexpr float kB2 = kB * kB;

// The six values of the polynomial that the inputs d stand for (B^T d).
inline void transform_input(const Floats* d, int stride, Floats* out) {
  const Floats d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride],
               d5 = d[5 * stride];
  const Floats even_a = d4 - kB2 * d2;
  const Floats odd_a = kA * (d3 - kB2 * d1);
  const Floats even_b = d4 - kA2 * d2;
  const Floats odd_b = kB * (d3 - kA2 * d1);
  out[0] = (kA2 * kB2) * d0 - (kA2 + kB2) * d2 + d4;
  out[1] = even_a + odd_a;
  out[2] = even_a - odd_a;
  out[3] = even_b + odd_b;
  out[4] = even_b - odd_b;
  out[5] = (kA2 * kB2) * d1 - (kA2 + kB2) * d3 + d5;
}

// The four outputs of six products (A^T m).
inline void transform_output(const Floats* m, int stride, Floats* out) {
  const Floats sum_a = m[stride] + m[2 * stride];
  const Floats difference_a = m[stride] - m[2 * stride];
  const Floats sum_b = m[3 * stride] + m[4 * stride];
  const Floats difference_b = m[3 * stride] - m[4 * stride];
  out[0] = m[0] + sum_a + sum_b;
  out[1] = kA * difference_a + kB * difference_b;
  out[2] = kA2 * sum_a + kB2 * sum_b;
  out[3] = (kA2 * kA) * difference_a + (kB2 * kB) * difference_b + m[5 * stride];
}

// The six products' gradients from four outputs' (A d).
inline void transform_gradient(const Floats* d, int stride, Floats* out) {
  const Floats d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride];
  const Floats even_a = d0 + kA2 * d2;
  const Floats odd_a = kA * d1 + (kA2 * kA) * d3;
  const Floats even_b = d0 + kB2 * d2;
  const Floats odd_b = kB * d1 + (kB2 * kB) * d3;
  out[0] = d0;
  out[1] = even_a + odd_a;
  out[2] = even_a - odd_a;
  out[3] = even_b + odd_b;
  out[4] = even_b - odd_b;
  out[5] = d3;
}

template <class Element>
Element* channel_of(const WinogradValuesOf<Element>& values, int channel) {
  return values.data + channel / kWinogradChannels * values.panel_stride + channel % kWinogradChannels;
}

// winograd_input() for either kind of values; `put` stores a vector of them.
template <class Element, class Put>
void transform_window(const float* const* pixels, int channels, const WinogradValuesOf<Element>& values, Put put) {
  for (int c = 0; c < channels; c += kLanes) {
    Floats half[36];  // [column][row]
    for (int x = 0; x < 6; ++x) {
      Floats column[6];
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) column[y] = load(pixels[y * 6 + x] + c);
      transform_input(column, 1, half + x * 6);
    }
    Element* const data = channel_of(values, c);
    for (int y = 0; y < 6; ++y) {
      Floats row[6];
      transform_input(half + y, 6, row);
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) put(data + (y * 6 + x) * values.matrix_stride, row[x]);
    }
  }
}

}  // namespace
}  // namespace fastermask::FASTERMASK_ISA
