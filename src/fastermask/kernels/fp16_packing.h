// Weights from float32 to the panels that units for float16 read (Fp16Product), for training, which packs them anew in
// every step. Inner header of the convolutions.
#pragma once

#include <cstddef>

#include "fastermask/kernels/panel_product.h"

namespace fastermask {

struct Fp16PackingOps {
  // Packs kPanelWidth columns of `depth` numbers, column n's number k at in[k * stride + n], to a panel
  // [depth / 2, kPanelWidth, 2]. scale[n] becomes the smallest power of two that no sum over kFp16Depth sizes of that
  // column exceeds (sums begin anew every `tap_depth`), at least 2^-100; the column is divided by it.
  void (*pack_columns)(const float* in, std::ptrdiff_t stride, std::ptrdiff_t depth, int tap_depth, float* scale,
                       Fp16* out) = nullptr;
  // out[k * kPanelWidth + n] = in[n * stride + k], k < depth, n < kPanelWidth.
  void (*transpose)(const float* in, std::ptrdiff_t stride, std::ptrdiff_t depth, float* out) = nullptr;
};

// Null pointers on processors that have no such units.
Fp16PackingOps fp16_packing_ops();

}  // namespace fastermask
