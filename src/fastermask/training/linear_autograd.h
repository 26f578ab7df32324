// Linear layers on our own kernels, forward and backward. They do not depend on which BLAS LibTorch was given and on
// whether that knows the processor: Debian's OpenBLAS falls back to SSE3 on processors that are newer than it is.
#pragma once

#include "fastermask/training/packed_products.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// Whether own_linear() can compute this and is worth while: with AVX-512, and enough rows to make up for packing the
// weight. With AVX2, OpenBLAS is as fast.
bool linear_suits(const at::Tensor& input, const at::Tensor& weight);

// linear(input, weight, bias) with its gradients. input: [M, C], weight: [K, C], bias: [K], float32 on the CPU. The
// result is equal for every thread count. In halves, channels that do not suit these are computed in floats.
at::Tensor own_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                      ProductNumbers numbers = ProductNumbers::floats);

}  // namespace fastermask
