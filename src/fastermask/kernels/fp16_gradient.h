// Products for weight gradients on units for float16 numbers (has_fp16_units() in base/cpu.h). Sums run over pixels, rows
// or tiles, so these share powers of two that keep them inside float16's range, chunk by chunk: what is so small beside
// its chunk's largest number that float16 rounds it away could not be seen in the sum either.
#pragma once

#include <cstddef>

#include "fastermask/kernels/fp16.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {

constexpr int kFp16GradientColumns = 32;
// Products that are summed in float16; these sums are added in float32. With factors below 2^kFp16LeftExponent and
// 2^kFp16RightExponent they stay below 2^15.
constexpr int kFp16GradientDepth = 64;
constexpr int kFp16LeftExponent = 4;
constexpr int kFp16RightExponent = 5;

// c[r][n] (+)= scale * the sum over k of left[k][r] * right[k][n], for r < rows, n < columns. Strides count elements.
struct Fp16DepthProduct {
  const Fp16* left = nullptr;  // its step k of depth begins at left + k * left_stride
  std::ptrdiff_t left_stride = 0;
  const Fp16* right = nullptr;  // [depth, kFp16GradientColumns], 64-byte aligned
  int rows = 0;
  int columns = kFp16GradientColumns;  // at most as many
  int depth = 0;
  float scale = 1;
  float* c = nullptr;  // row r begins at c + r * c_stride
  std::ptrdiff_t c_stride = 0;
  bool accumulate = false;
};

struct Fp16GradientOps {
  void (*multiply)(const Fp16DepthProduct& product) = nullptr;
  // The largest size of `count` numbers; NaN does not count. Serial, like the others.
  float (*largest)(const float* values, std::ptrdiff_t count) = nullptr;
  // out[i] = in[i] * power
  void (*narrow)(const float* in, std::ptrdiff_t count, float power, Fp16* out) = nullptr;
  // Winograd's input window, [36] pixels, and the output gradient's tile, [16] pixels, times `power` (winograd_tile.h).
  // The latter lays two panels side by side, as [2 * kWinogradChannels]: panel_stride is between pairs of them.
  void (*window)(const float* const* pixels, int channels, float power, const WinogradFp16& values) = nullptr;
  void (*tile)(const float* const* pixels, int channels, float power, const WinogradFp16& values) = nullptr;
};

// Powers of two that the transforms multiply numbers with at most: 20.3 and 66.1.
constexpr int kWindowGrowthExponent = 5;
constexpr int kTileGrowthExponent = 7;

// The power of two, at most 2^120, that makes `size` less than 2^exponent and at least half of that; 1 for sizes that no
// power can help.
float fp16_power_for(float size, int exponent);

// Whether weight gradients gain by them: there are such units, and layers multiply numbers of 16 bits on this machine,
// be it these or others (half_arithmetic()).
bool fp16_gradients_pay();

// Null pointers on processors that have no such kernels.
Fp16GradientOps fp16_gradient_ops();

}  // namespace fastermask
