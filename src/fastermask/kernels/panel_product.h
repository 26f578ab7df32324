// The matrix product under convolutions and linear layers: some rows of A times a panel of packed weights, with bias,
// residual and relu done while the sums are still in registers. Compiled once per instruction set.
//   M rows   K depth   N columns   panel: kPanelWidth columns of B, depth by depth
#pragma once

#include <cstddef>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/fp16.h"
#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

// Columns of a packed panel: the same for every instruction set, so that packed weights can be stored.
constexpr int kPanelWidth = 16;

// c[r][n] (+)= sum over k of a[r][k] * b[k][n], for r < rows, n < columns. Strides count elements.
template <class Element>
struct PanelProductOf {
  const Element* a = nullptr;  // row r begins at a + r * a_stride
  std::ptrdiff_t a_stride = 0;
  bool a_by_depth = false;          // a[k][r] instead: a_stride lies between two steps of depth, the rows side by side
  const Element* panel = nullptr;   // [K, kPanelWidth], 64-byte aligned; columns beyond N hold zeros
  std::ptrdiff_t panel_stride = 0;  // from a panel to the next, when more than one is given
  float* c = nullptr;               // row r begins at c + r * c_stride
  std::ptrdiff_t c_stride = 0;
  int rows = 0;   // M
  int depth = 0;  // K, or of one part of it:
  int parts = 1;  // K = parts * depth, part p of a row begins p * part_stride floats further on
  std::ptrdiff_t part_stride = 0;
  const std::ptrdiff_t* part_offsets = nullptr;  // [parts] instead of multiples of part_stride; not of Fp16Product
  int columns = 0;              // N, at most panels_at_once() * kPanelWidth
  const float* bias = nullptr;  // [N rounded up to whole panels], where sums start; null: at 0
  bool accumulate = false;      // sums start from c instead
  // Of Fp16Product alone: what sums are multiplied with.
  const float* scale = nullptr;      // [N]
  const float* row_scale = nullptr;  // of row r at row_scale[r * row_scale_stride]
  std::ptrdiff_t row_scale_stride = 1;
  // Finishing, for the last of several products into one c:
  const float* residual = nullptr;  // added: row r takes residual + ((r + residual_phase) >> residual_shift) * stride
  std::ptrdiff_t residual_stride = 0;
  int residual_shift = 0;  // 1: each residual row serves two rows (an upsampling by 2)
  int residual_phase = 0;
  bool relu = false;  // c = max(c, 0); NaN stays NaN
  const float* gate = nullptr;  // laid out as c: where it is at most 0 (not NaN) c becomes 0, after all else
};

using PanelProduct = PanelProductOf<float>;

// Of bfloat16 numbers, summed in float32. Depth goes by pairs: K is even, a panel is [K / 2, kPanelWidth, 2], and with
// a_by_depth a is [K / 2, rows, 2], a_stride lying between two pairs of depth.
using HalfProduct = PanelProductOf<Bf16>;

// Of float16 numbers, by pairs likewise: two panels at once, and all their columns; no a_by_depth. Up to kFp16Depth
// products are summed in float16, even and odd ones apart, and these sums, times `scale` and `row_scale`, in float32.
using Fp16Product = PanelProductOf<Fp16>;
constexpr int kFp16Depth = 256;

FASTERMASK_DECLARE_COPIES(
    // Uses fused multiply-add where the instruction set has it: results differ between instruction sets in the last
    // bits, but not with the rows that are computed together or with alignment.
    void multiply_panel(const PanelProduct& product);

    // Panels that one product should cover, to fill the registers: 1 or 2.
    int panels_at_once();)

struct PanelOps {
  decltype(&generic::multiply_panel) multiply_panel;
  int panels_at_once;
};

// The copies for an instruction set (which the processor must have).
PanelOps panel_ops(Isa isa);

}  // namespace fastermask
