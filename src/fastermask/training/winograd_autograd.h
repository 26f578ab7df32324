// 3x3 convolutions of stride 1 on our own kernels, forward and backward: Winograd's F(4x4, 3x3) from input to output and
// back (kernels/convolution.h), and the weight's gradient the direct way (kernels/convolution_gradient.h).
#pragma once

#include <memory>

#include "fastermask/graph/graph.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// A layer's weight, packed when it is first needed: several feature maps (the levels that the RPN's head runs over)
// share it. For one step: the weight must not change meanwhile.
class WinogradWeight;
std::shared_ptr<WinogradWeight> make_winograd_weight(const at::Tensor& weight);

// Gives back the memory that only forward passes need.
void end_forward(WinogradWeight& weight);

// Whether winograd_convolution() computes this layer, and is worth while for maps of this size: packing costs as much
// as some tiles do.
bool winograd_suits(const Layer& layer, const at::Tensor& input);

// conv2d(input, weight, bias, padding 1) with its gradients. input: [N, C, H, W] float32; weight: [K, C, 3, 3] as
// `packed` was made of; bias: [K] or undefined. The result is channels-last. It is equal for every thread count.
at::Tensor winograd_convolution(const std::shared_ptr<WinogradWeight>& packed, const at::Tensor& input,
                                const at::Tensor& weight, const at::Tensor& bias);

}  // namespace fastermask
