// What follows the sums of an integer product: scale, bias, residual and relu, and the result as float32, as 7 bits, or
// both. A pass of its own over whole rows: feature maps are then read and written one address after the other, which
// memory answers several times as fast as the few columns of many rows that a product makes at a time.
//   M rows   N columns
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/integer_product.h"

namespace fastermask {

// Panels of a row whose bytes fill a line of the cache, and the widest register.
constexpr int kFinishedTogether = 4;

// The results of M rows: value = sum * scale + bias, + residual, relu.
struct IntegerFinish {
  const std::int32_t* sums = nullptr;  // as products of `panels_at_once` panels lay them down, one behind the other
  int panels_at_once = 1;
  int rows = 0;                     // M
  int columns = 0;                  // N
  const float* scale = nullptr;     // [N rounded up to whole panels]
  const float* bias = nullptr;      // likewise
  const float* residual = nullptr;  // added: row r takes residual + ((r + residual_phase) >> residual_shift) * stride
  const Bf16* half_residual = nullptr;  // the same in half the bytes, instead
  std::ptrdiff_t residual_stride = 0;
  int residual_shift = 0;  // 1: each residual row serves two rows (an upsampling by 2)
  int residual_phase = 0;
  bool relu = false;
  float* c = nullptr;      // value as float32, row r at c + r * c_stride; null: not wanted
  Bf16* half_c = nullptr;  // instead: rounded to bfloat16, ties away from 0
  std::ptrdiff_t c_stride = 0;
  std::uint8_t* q = nullptr;  // value in `range`, row r at q + r * q_stride; null: not wanted
  std::ptrdiff_t q_stride = 0;
  ActivationRange range;

  // Of a row, the sums of panel `panel`.
  const std::int32_t* panel_sums(int row, int panel) const {
    const int group = panel / panels_at_once * panels_at_once;
    const int left = (columns + kIntegerPanelWidth - 1) / kIntegerPanelWidth - group;
    const int width = left < panels_at_once ? left : panels_at_once;
    return sums +
           (static_cast<std::ptrdiff_t>(group) * rows + static_cast<std::ptrdiff_t>(row) * width + panel - group) *
               kIntegerPanelWidth;
  }
  template <class Element>
  const Element* row_of(const Element* residuals, int row) const {
    return residuals == nullptr ? nullptr : residuals + ((row + residual_phase) >> residual_shift) * residual_stride;
  }
};

FASTERMASK_DECLARE_COPIES(void finish_integers(const IntegerFinish& finish);

                          // out[i] = values[i] in `range`; NaN becomes 0.
                          void quantise(const float* values, std::ptrdiff_t count, const ActivationRange& range,
                                        std::uint8_t* out);)

}  // namespace fastermask
