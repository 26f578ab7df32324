// Winograd's fast convolution of a 3x3 kernel, on tiles of 4x4 outputs: F(4x4, 3x3) of "Fast Algorithms for
// Convolutional Neural Networks" (arXiv:1509.09308). 36 products where the direct way takes 144.
//
// The interpolation points are 0, +-5/8, +-3/2 and infinity: on sums over 256 channels of rectified normal numbers they
// leave a mean error of 1.3e-6 of the output's deviation, where +-1, +-2 leave 2.5e-6 and the direct way 2.6e-7.
#pragma once

#include <cstddef>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/fp16.h"
#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

constexpr float kWinogradPointA = 0.625f;
constexpr float kWinogradPointB = 1.5f;
constexpr int kWinogradTile = 4;       // outputs a side
constexpr int kWinogradWindow = 6;     // inputs a side
constexpr int kWinogradMatrices = 36;  // matrix products
// Channels come in multiples of this: the widest vector.
constexpr int kWinogradChannels = 16;

struct WinogradOutput {
  int channels = 0;
  const float* bias = nullptr;              // [channels], or null
  const float* const* residuals = nullptr;  // [16] pixels to add, valid where `pixels` are; or null
  bool relu = false;
  const float* const* gates = nullptr;  // [16] likewise: where one is at most 0 (not NaN) the output is 0; or null
  float* const* pixels = nullptr;  // [16], row by row; null: outside the output
};

// Where the 36 values of a tile lie: value i of channel c at
// data + i * matrix_stride + c / kWinogradChannels * panel_stride + c % kWinogradChannels.
template <class Element>
struct WinogradValuesOf {
  Element* data = nullptr;
  std::ptrdiff_t matrix_stride = 0;
  std::ptrdiff_t panel_stride = kWinogradChannels;  // as it is: all channels side by side
};
using WinogradValues = WinogradValuesOf<float>;
using WinogradHalves = WinogradValuesOf<Bf16>;
using WinogradFp16 = WinogradValuesOf<Fp16>;

FASTERMASK_DECLARE_COPIES(
    // One tile's input: `pixels` [36] point at the channels of the window's pixels, row by row.
    void winograd_input(const float* const* pixels, int channels, const WinogradValues& values);

    // One tile's gradient: `pixels` [16] point at the channels of the output's gradient, row by row. The transpose of
    // what winograd_output() does to the products.
    void winograd_gradient(const float* const* pixels, int channels, const WinogradValues& values);

    // One tile's output from its 36 products, products + i * matrix_stride.
    void winograd_output(const float* products, std::ptrdiff_t matrix_stride, const WinogradOutput& output);)

}  // namespace fastermask
