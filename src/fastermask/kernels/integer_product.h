// The matrix product of int8 inference: rows of unsigned activations times a panel of signed weights, exact sums of 32
// bits. Compiled once per instruction set; every copy gives the same numbers.
//   M rows   K depth   N columns
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

// Activations lie in 0..127 and weights in -63..63: four products then sum to at most 4 * 127 * 63 = 32004, which 16
// bits hold. So two vpmaddubsw can be added before vpmaddwd widens them, three multiplications for 64 products.
constexpr int kIntegerActivationMax = 127;
constexpr int kIntegerWeightMax = 63;
constexpr int kIntegerPanelWidth = 16;  // columns of a panel
constexpr int kIntegerDepthStep = 8;    // K comes in multiples of this, zeros behind the last

// c[r][n] = sum over k of a[r][k] * b[k][n], for r < rows, n < kIntegerPanelWidth.
struct IntegerProduct {
  const std::uint8_t* a = nullptr;  // row r begins at a + r * a_stride
  std::ptrdiff_t a_stride = 0;
  const std::int8_t* panel = nullptr;  // [K / 4, kIntegerPanelWidth, 4], 32-byte aligned
  std::int32_t* c = nullptr;           // row r begins at c + r * c_stride
  std::ptrdiff_t c_stride = 0;
  int rows = 0;
  int depth = 0;  // K
};

// Bytes of a panel of `depth` rows of weights.
constexpr std::size_t integer_panel_bytes(int depth) {
  return static_cast<std::size_t>((depth + kIntegerDepthStep - 1) / kIntegerDepthStep * kIntegerDepthStep) *
         kIntegerPanelWidth;
}

// Packs up to kIntegerPanelWidth columns of weight, [columns, depth], zeros for what is missing. Throws Error for a
// weight outside -kIntegerWeightMax..kIntegerWeightMax.
void pack_integer_panel(const std::int8_t* weight, int columns, int depth, std::int8_t* panel);

FASTERMASK_DECLARE_COPIES(void multiply_integer_panel(const IntegerProduct& product);)

using IntegerProductFunction = decltype(&generic::multiply_integer_panel);

// The copy for an instruction set (which the processor must have).
IntegerProductFunction integer_product(Isa isa);

}  // namespace fastermask
