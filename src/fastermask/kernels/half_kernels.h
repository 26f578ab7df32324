// Kernels for processors that multiply bfloat16 pairs (has_bf16_units() in base/cpu.h).
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
};

// Null pointers on processors that have no such kernels.
HalfOps half_ops();

// Whether products of bfloat16 numbers are worth having: the processor has units for them, and these are faster than its
// float32 ones. AMD's multiply twice as many numbers as in float32; Intel's since Sapphire Rapids half as many, as AMX does
// that work there. So the first call times both, for half a millisecond; they differ by more than noise does.
// $FASTERMASK_BF16_UNITS=0 or 1 decides instead; 1 where there are none is ignored.
bool bf16_units_pay();

}  // namespace fastermask
