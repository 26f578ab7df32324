// Weight gradients from numbers of 16 bits: sums over pixels (or tiles) of products of float16 numbers, for processors
// with units for these (has_fp16_units()). Inner header of linear_gradient.h and convolution_gradient.h.
//
// Unlike in forward products (half_kernels.h) the sums' depth is the pixels, so that a power of two can only be taken
// out of all numbers of a column, over some depth: of a panel, kFp16GradientDepth deep, at once. Numbers keep all their
// bits down to 2^-18 of the largest of these; smaller ones add little to what the large ones make.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastermask/kernels/panel_product.h"

namespace fastermask {

// The result's rows and columns that a product makes: the widths of the panels it multiplies.
constexpr int kFp16GradientRows = kPanelWidth;
constexpr int kFp16GradientColumns = 2 * kPanelWidth;
constexpr int kFp16GradientDepth = 128;  // of pixels or tiles that are summed in float16
constexpr int kFp16PanelsTogether = 32;  // whose numbers of so many pixels a second-level cache holds

// sums[r][n] (+)= scale * sum over m of rows[m][r] * columns[m][n], for all rows and columns.
struct Fp16GradientProduct {
  const Fp16* rows = nullptr;     // [depth, kFp16GradientRows]
  const Fp16* columns = nullptr;  // [depth, kFp16GradientColumns], 64-byte aligned
  int depth = 0;                  // at most kFp16GradientDepth
  float scale = 1;
  float* sums = nullptr;  // row r begins at sums + r * stride
  std::ptrdiff_t stride = 0;
  bool accumulate = false;  // sums start from what is there
};

struct Fp16GradientOps {
  void (*multiply)(const Fp16GradientProduct& product) = nullptr;
  // Turns `rows` rows of `columns` numbers, row r at in + r * stride, into a panel [rows, width], width one of the two
  // above, columns that are missing as zeros; multiplied with a power of two that makes the largest less than 2^4, so
  // that kFp16GradientDepth products of two such numbers stay in float16's range. Returns one over that. NaN stays.
  float (*pack)(const float* in, std::ptrdiff_t stride, int rows, int columns, int width, Fp16* out) = nullptr;
  // The same for several panels side by side, at most kFp16PanelsTogether: panel i, of columns i * width and on, goes to
  // out + i * panel_step, and its scale to scales[i * scale_step]. Rows are read from memory once, one after the other.
  void (*pack_panels)(const float* in, std::ptrdiff_t stride, int rows, int columns, int width, Fp16* out,
                      std::ptrdiff_t panel_step, float* scales, std::ptrdiff_t scale_step) = nullptr;
};

// Null pointers on processors that have no such units.
Fp16GradientOps fp16_gradient_ops();

// linear_weight_gradient() and convolution_weight_gradient() on such ops; sizes are those that these have checked.
struct LinearGradientCall;
struct WeightGradientCall;
void linear_weight_gradient_fp16(const LinearGradientCall& call, const Fp16GradientOps& ops);
void convolution_weight_gradient_fp16(const WeightGradientCall& call, const Fp16GradientOps& ops);

}  // namespace fastermask
