// The gradient of a convolution to its weight, for training on CPUs: LibTorch's oneDNN reaches a sixth of the machine's
// rate here where feature maps are large.
//   N images   H, W size   C, K channels in and out
#pragma once

#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

struct WeightGradientCall {
  const float* input = nullptr;            // [N, H, W, C]
  const float* output_gradient = nullptr;  // [N, H, W, K]
  int batch = 1;
  int height = 1;
  int width = 1;
  int in_channels = 1;
  int out_channels = 1;
  float* weight_gradient = nullptr;  // [K, C, 3, 3], overwritten
  // Both rounded to float16 on their tiles (fp16_gradient.h) where the processor has units for that, summed in float32.
  bool in_fp16 = false;
};

// Of a 3x3 convolution of stride 1, padding 1: weight_gradient[k][c][ky][kx] is the sum over pixels of
// output_gradient[y][x][k] * input[y + ky - 1][x + kx - 1][c]. Computed on Winograd's tiles (winograd_tile.h): a quarter
// of the multiplications, the rounding error of float32 sums times five. C and K are multiples of kWinogradChannels.
// Parallel; equal results for every thread count. Throws Error on other sizes.
void convolution_weight_gradient(const WeightGradientCall& call, Isa isa = best_isa());

}  // namespace fastermask
