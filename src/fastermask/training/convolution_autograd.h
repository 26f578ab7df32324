// Convolutions on our own kernels, forward and backward (kernels/convolution.h): in float32 those of 3x3 and stride 1,
// by Winograd's F(4x4, 3x3), and with AVX-512 those of 1x1 with a tail, or whose input's gradient is summed
// (gradient_sum.h); in numbers of 16 bits all that these suit, too. The weight's gradient is computed in
// kernels/convolution_gradient.h or linear_gradient.h, or by LibTorch for kernels and strides that neither knows.
#pragma once

#include <memory>
#include <utility>

#include "fastermask/graph/graph.h"
#include "fastermask/training/packed_products.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// A layer's weight, packed when it is first needed: several feature maps (the levels that the RPN's head runs over)
// share it. For one step: the weight must not change meanwhile.
class ConvolutionWeight;
std::shared_ptr<ConvolutionWeight> make_convolution_weight(const Layer& layer, const at::Tensor& weight,
                                                           ProductNumbers numbers);

// Gives back the memory that only forward passes need.
void end_forward(ConvolutionWeight& weight);

// Whether own_convolution() computes this layer, and is worth while for maps of this size: packing costs as much as
// some pixels do, unless the weight `is_packed` already, for another map.
bool convolution_suits(const Layer& layer, const at::Tensor& input, ProductNumbers numbers, bool has_tail = false,
                       bool is_packed = false);

// conv2d(input, weight, bias) as the layer says, with its gradients. input: [N, C, H, W] float32; weight: [K, C, R, R]
// as `packed` was made of; bias: [K] or undefined, the same in every call. What the tail says comes after it, and its
// residual has a gradient, too. The result is channels-last; where the tail has a relu it is kept for the backward pass
// and must not change. It is equal for every thread count, as far as LibTorch's is. Its readers' gradients, and a relu's
// mask, are taken together by a GradientSum (gradient_sum.h). `hooked`: hooks will look at the result's gradient, so all
// of it has to come one way.
at::Tensor own_convolution(const std::shared_ptr<ConvolutionWeight>& packed, const at::Tensor& input,
                           const at::Tensor& weight, const at::Tensor& bias, const ConvolutionTail& tail = {},
                           bool hooked = false);

// A layer, and what own_convolution() takes of it.
struct ConvolutionOperands {
  std::shared_ptr<ConvolutionWeight> packed;
  at::Tensor weight;
  at::Tensor bias;
};

// own_convolution() of two pointwise layers of stride 1 without a tail, which read the input together: the RPN's
// predictors take as long as that takes.
std::pair<at::Tensor, at::Tensor> own_convolution_pair(const at::Tensor& input, const ConvolutionOperands& first,
                                                       const ConvolutionOperands& second, bool hooked = false);

}  // namespace fastermask
