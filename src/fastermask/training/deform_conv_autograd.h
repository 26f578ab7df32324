// Deformable convolution with autograd: the host kernels of kernels/deform_conv.h sample, LibTorch multiplies.
#pragma once

#include "fastermask/graph/graph.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// The value of a deformable convolution layer.
//   input    [N, C, H, W]
//   offsets  [N, deform_offset_channels, P, Q]
//   weight   [out, C / groups, kernel, kernel]
//   bias     [out], or undefined
//   returns  [N, out, P, Q] channels-last
// Differentiable in all four.
at::Tensor deformable_convolution(const Layer& layer, const at::Tensor& input, const at::Tensor& offsets,
                                  const at::Tensor& weight, const c10::optional<at::Tensor>& bias);

}  // namespace fastermask
