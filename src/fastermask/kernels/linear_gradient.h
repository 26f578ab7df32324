// The gradient of a linear layer to its weight, for training on CPUs.
//   M rows   C, K features in and out
#pragma once

#include <cstdint>

#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

struct LinearGradientCall {
  const float* input = nullptr;            // [M, C]
  const float* output_gradient = nullptr;  // [M, K]
  std::int64_t rows = 0;                   // M
  int in_features = 1;                     // C
  int out_features = 1;                    // K
  float* weight_gradient = nullptr;        // [K, C], overwritten
  // Both rounded to float16 (fp16_gradient.h) where the processor has units for that, summed in float32.
  bool in_fp16 = false;
};

// weight_gradient[k][c] is the sum over rows of output_gradient[m][k] * input[m][c], in float32. Zeros without rows.
// Parallel; equal results for every thread count. Throws Error on sizes below 1.
void linear_weight_gradient(const LinearGradientCall& call, Isa isa = best_isa());

}  // namespace fastermask
