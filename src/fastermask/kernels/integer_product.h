// The matrix product of int8 inference: rows of unsigned activations times a panel of signed weights, exact sums of 32
// bits. What becomes of them is in integer_finish.h. Compiled once per instruction set; the sums are the same in every
// copy.
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
constexpr int kIntegerDepthStep = 8;    // depth comes in multiples of this, zeros behind the last weight

// How float32 becomes 7 bits: q = value / scale + zero, rounded to the nearest, kept in 0..127.
struct ActivationRange {
  float scale = 1;
  int zero = 0;  // what 0.0 becomes, exactly
};

// sums[r][n] = sum over p, k of a[r][p][k] * b[p][k][n], for r < rows, n < columns.
struct IntegerProduct {
  const std::uint8_t* a = nullptr;  // row r begins at a + r * a_stride
  std::ptrdiff_t a_stride = 0;
  const std::int8_t* panel = nullptr;  // [parts, depth / 4, kIntegerPanelWidth, 4], 64-byte aligned
  std::ptrdiff_t panel_stride = 0;     // from a panel to the next, when more than one is given
  int rows = 0;                        // M
  int depth = 0;                       // of a part, a multiple of kIntegerDepthStep: K = parts * depth
  int parts = 1;                       // part p of a row begins p * part_stride further on
  std::ptrdiff_t part_stride = 0;
  int columns = 0;  // N, at most panels_at_once * kIntegerPanelWidth

  const std::int32_t* sums_before = nullptr;  // [rows, N rounded up to whole panels], where sums start; null: at 0
  std::int32_t* sums = nullptr;               // likewise: where they are laid down; may be `sums_before`
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

// Products of processors that multiply bytes by fours (AVX512-VNNI), and by tiles (AMX); in
// integer_product_avx512vnni.cpp and tile_product_amx.cpp.
namespace avx512 {
constexpr int kVnniPanelsAtOnce = 2;
void multiply_integer_panels_vnni(const IntegerProduct& product);
void multiply_integer_panels_amx(const IntegerProduct& product);
}  // namespace avx512

struct IntegerFinish;  // integer_finish.h

struct IntegerOps {
  void (*multiply_panel)(const IntegerProduct& product);
  void (*finish)(const IntegerFinish& finish);
  void (*quantise)(const float* values, std::ptrdiff_t count, const ActivationRange& range, std::uint8_t* out);
  int panels_at_once = 1;  // that one product should cover, to fill the registers
  int rows_at_once = 12;   // whose multiples it computes without a rest
};

// The copies for an instruction set (which the processor must have).
IntegerOps integer_ops(Isa isa);

}  // namespace fastermask
