#include "fastermask/runtime/folded_weights.h"

#include <cmath>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// [out, C, P, P] -> [out, P, P, C]
std::vector<float> columns_channels_last(const std::vector<float>& weight, std::int64_t out, std::int64_t channels,
                                         std::int64_t pixels) {
  std::vector<float> moved(weight.size());
  for (std::int64_t k = 0; k < out; ++k) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p)
        moved[at((k * pixels + p) * channels + c)] = weight[at((k * channels + c) * pixels + p)];
    }
  }
  return moved;
}

// [K, C / G, taps] -> [K, taps, C], zero where the group does not read.
std::vector<float> deformable_columns(const std::vector<float>& weight, const Layer& layer) {
  const std::int64_t taps = static_cast<std::int64_t>(layer.kernel) * layer.kernel;
  const std::int64_t group_in = layer.in_channels / layer.groups;
  const std::int64_t group_out = layer.out_channels / layer.groups;
  std::vector<float> dense(at(layer.out_channels * taps * layer.in_channels), 0.0f);
  for (std::int64_t k = 0; k < layer.out_channels; ++k) {
    const std::int64_t first = k / group_out * group_in;
    for (std::int64_t c = 0; c < group_in; ++c) {
      for (std::int64_t t = 0; t < taps; ++t)
        dense[at((k * taps + t) * layer.in_channels + first + c)] = weight[at((k * group_in + c) * taps + t)];
    }
  }
  return dense;
}

// The weight as the graph has it, and the geometry that runs it.
FoldedWeights unfolded(const Graph& graph, const FusedStep& step, const Layer& layer, const NamedArrays& weights) {
  FoldedWeights folded;
  const std::string name = layer.name + ".weight";
  const std::int64_t in = layer.in_channels, out = layer.out_channels, kernel = layer.kernel;
  ConvolutionGeometry& geometry = folded.geometry;
  geometry.in_channels = layer.in_channels;
  geometry.out_channels = layer.out_channels;
  if (layer.type == LayerType::linear) {
    folded.weight = parameter_floats(weights, name, {out, in});
    if (step.flattened) {
      // The map that was flattened: its channels are known, its pixels follow.
      const Layer& flatten = graph.layers[at(layer.inputs[0])];
      const std::int64_t channels = graph.layers[at(flatten.inputs[0])].out_channels;
      folded.weight = columns_channels_last(folded.weight, out, channels, in / channels);
    }
    return folded;
  }
  if (layer.type == LayerType::deconvolution) {
    folded.weight = parameter_floats(weights, name, {in, out, kernel, kernel});
    geometry.transposed = true;
  } else {
    folded.weight = parameter_floats(weights, name, {out, in / layer.groups, kernel, kernel});
    geometry.dilation = layer.dilation;
    geometry.groups = layer.groups;
  }
  geometry.kernel = layer.kernel;
  geometry.stride = layer.stride;
  geometry.padding = layer.padding;
  if (layer.type == LayerType::deformable_convolution) {
    folded.weight = deformable_columns(folded.weight, layer);
    geometry = {};
    geometry.in_channels = layer.kernel * layer.kernel * layer.in_channels;
    geometry.out_channels = layer.out_channels;
  }
  return folded;
}

}  // namespace

std::vector<float> parameter_floats(const NamedArrays& weights, const std::string& name, const Shape& shape) {
  const auto found = weights.find(name);
  if (found == weights.end()) fail<WeightsError>("weights: '{}' is missing", name);
  if (found->second.shape != shape) {
    fail<WeightsError>("weights: '{}' has shape {}, the network needs {}", name, to_string(found->second.shape),
                       to_string(shape));
  }
  return found->second.to_floats();
}

void norm_as_affine(const Layer& norm, const NamedArrays& weights, std::vector<float>& scale,
                    std::vector<float>& shift) {
  const Shape shape = {norm.out_channels};
  scale = parameter_floats(weights, norm.name + ".weight", shape);
  shift = parameter_floats(weights, norm.name + ".bias", shape);
  const std::vector<float> mean = parameter_floats(weights, norm.name + ".running_mean", shape);
  const std::vector<float> variance = parameter_floats(weights, norm.name + ".running_var", shape);
  for (std::size_t c = 0; c < scale.size(); ++c) {
    scale[c] /= std::sqrt(variance[c] + static_cast<float>(norm.norm_epsilon));
    shift[c] -= mean[c] * scale[c];
  }
}

FoldedWeights fold_weights(const Graph& graph, const FusedStep& step, const NamedArrays& weights) {
  const Layer& layer = graph.layers[at(step.layer)];
  FoldedWeights folded = unfolded(graph, step, layer, weights);
  const std::int64_t out = layer.out_channels;
  folded.bias.assign(at(out), 0.0f);
  if (layer.has_bias) folded.bias = parameter_floats(weights, layer.name + ".bias", {out});
  if (step.norm < 0) return folded;
  std::vector<float> scale, shift;
  norm_as_affine(graph.layers[at(step.norm)], weights, scale, shift);
  const std::size_t filter = folded.weight.size() / at(out);
  for (std::size_t k = 0; k < at(out); ++k) {
    folded.bias[k] = folded.bias[k] * scale[k] + shift[k];
    if (folded.geometry.transposed) continue;
    for (std::size_t i = 0; i < filter; ++i) folded.weight[k * filter + i] *= scale[k];
  }
  if (folded.geometry.transposed) {  // [C, K, kernel, kernel]
    const auto area = at(static_cast<std::int64_t>(layer.kernel) * layer.kernel);
    for (std::size_t i = 0; i < folded.weight.size(); ++i) folded.weight[i] *= scale[i / area % at(out)];
  }
  return folded;
}

}  // namespace fastermask
