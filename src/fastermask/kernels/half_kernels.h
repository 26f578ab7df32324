// Kernels for processors that multiply bfloat16 pairs: to be called only where has_bf16_units() (base/cpu.h).
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

}  // namespace fastermask
