// Parameters of a graph as the kernels want them: norms folded, linear layers in channels-last order.
#pragma once

#include <string>
#include <vector>

#include "fastermask/graph/fusion.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// A parameter as float32. Throws Error when it is missing or has another shape.
std::vector<float> parameter_floats(const NamedArrays& weights, const std::string& name, const Shape& shape);

// A batch norm with its running statistics as value * scale + shift, by channel.
void norm_as_affine(const Layer& norm, const NamedArrays& weights, std::vector<float>& scale,
                    std::vector<float>& shift);

// A convolution, deconvolution or linear step as one PackedConvolution takes it: weight and bias with the norm in them.
struct FoldedWeights {
  ConvolutionGeometry geometry;
  std::vector<float> weight;
  std::vector<float> bias;
};

// Linear layers become 1x1 convolutions, their columns reordered to channels-last when they read a feature map; a
// deformable convolution becomes a 1x1 convolution of its columns (kernels/deform_conv.h).
FoldedWeights fold_weights(const Graph& graph, const FusedStep& step, const NamedArrays& weights);

}  // namespace fastermask
