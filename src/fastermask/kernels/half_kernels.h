// Kernels for processors that multiply bfloat16 pairs (has_bf16_units() in base/cpu.h), or float16 numbers
// (has_fp16_units()).
#pragma once

#include <cstddef>

#include "fastermask/kernels/bf16.h"
#include "fastermask/kernels/panel_product.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {

struct HalfOps {
  void (*multiply_panel)(const HalfProduct& product) = nullptr;
  // out[i] = in[i] rounded to the nearest, ties to even; numbers below float32's normal ones become 0. Serial.
  void (*narrow)(const float* in, Bf16* out, std::ptrdiff_t count) = nullptr;
  // winograd_input(), its values rounded.
  void (*winograd_input)(const float* const* pixels, int channels, const WinogradHalves& values) = nullptr;
  int rows_at_once = 12;  // whose multiples multiply_panel() computes without a rest
};

// The products are AMX's where tiles_work(). Null pointers on processors that have no such kernels.
HalfOps half_ops();

// Numbers are stored as float16 after multiplication with a power of two which makes the largest of a pixel (of a tile
// in Winograd's domain) less than this: no sum of kFp16Depth products then leaves float16's range, and what is lost of
// small numbers is far below what rounding the large ones costs.
constexpr float kFp16Most = 32768;

struct Fp16Ops {
  void (*multiply_panel)(const Fp16Product& product) = nullptr;
  // out[i] = in[i] times such a power of two; returns one over that. NaN stays. Serial.
  float (*narrow)(const float* in, Fp16* out, std::ptrdiff_t count) = nullptr;
  // winograd_input(), likewise.
  float (*winograd_input)(const float* const* pixels, int channels, const WinogradFp16& values) = nullptr;
  // Raises scale[n], n < kPanelWidth, to the smallest power of two that no sum over kFp16Depth sizes of that column of
  // a panel of weights, [depth / 2, kPanelWidth, 2], exceeds; sums begin anew every `tap_depth`. At least 2^-100.
  void (*raise_scales)(const Bf16* panel, std::ptrdiff_t depth, int tap_depth, float* scale) = nullptr;
  // Such a panel divided by its scales.
  void (*pack_panel)(const Bf16* panel, std::ptrdiff_t depth, const float* scale, Fp16* out) = nullptr;
  int rows_at_once = 12;  // as in HalfOps
};

// Null pointers on processors that have no such kernels.
Fp16Ops fp16_ops();

// Whether products of bfloat16 numbers are worth having: the processor has units for them, and these are faster than
// its float32 ones. An Emerald Rapids multiplies half as many bfloat16 numbers as float32 ones (AMX is for that there),
// others are said to multiply twice as many. So the first call times both, for half a millisecond; they differ by more
// than noise. AMX is always worth it. $FASTERMASK_BF16_UNITS=0 or 1 decides instead; 1 where there are none is ignored.
bool bf16_units_pay();

// What numbers a layer with weights in bfloat16 multiplies on this machine: bfloat16 ones where bf16_units_pay(),
// float16 ones where there are units for these (twice as fast as float32 on an Emerald Rapids), which hold bfloat16's
// bits and more but not its range, so that weights are scaled; otherwise float32 ones.
enum class HalfArithmetic { float32, bfloat16, float16 };
HalfArithmetic half_arithmetic();

}  // namespace fastermask
