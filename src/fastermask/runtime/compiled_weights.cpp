#include "fastermask/runtime/compiled_weights.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/runtime/quantisation.h"

namespace fastermask {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

bool is_multiplication(LayerType type) {
  return type == LayerType::convolution || type == LayerType::deformable_convolution ||
         type == LayerType::deconvolution || type == LayerType::linear;
}

SharedFloats shared_floats(const std::vector<float>& values) {
  const auto owner = std::make_shared<AlignedFloats>(values.size());
  std::copy(values.begin(), values.end(), owner->data());
  return {std::shared_ptr<const float>(owner, owner->data()), values.size()};
}

// [out, C, P, P] -> [out, P, P, C]
std::vector<float> columns_channels_last(const std::vector<float>& weight, std::int64_t out, std::int64_t channels,
                                         std::int64_t pixels) {
  std::vector<float> moved(weight.size());
  for (std::int64_t k = 0; k < out; ++k) {
    for (std::int64_t p = 0; p < pixels; ++p) {
      for (std::int64_t c = 0; c < channels; ++c)
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

class WeightCompiler {
 public:
  WeightCompiler(NamedArrays weights, const CompileOptions& options)
      : weights_(std::move(weights)), options_(options) {}

  void add(const Graph& graph, const FusedStep& step, CompiledWeights& compiled) {
    const Layer& layer = graph.layers[at(step.layer)];
    if (compiled.count(layer.name) > 0) return;
    if (is_multiplication(layer.type)) {
      pack(graph, step, layer, compiled[layer.name]);
    } else if (layer.type == LayerType::normalisation) {
      LayerWeights& norm = compiled[layer.name];
      const Affine affine = layer.norm == NormType::group ? Affine{take(layer.name + ".weight", {layer.out_channels}),
                                                                   take(layer.name + ".bias", {layer.out_channels})}
                                                          : affine_norm(layer);
      norm.scale = shared_floats(affine.scale);
      norm.shift = shared_floats(affine.shift);
    }
  }

 private:
  struct Affine {
    std::vector<float> scale;
    std::vector<float> shift;
  };

  // A parameter, which is not needed any more.
  std::vector<float> take(const std::string& name, const Shape& shape) {
    const auto found = weights_.find(name);
    if (found == weights_.end()) fail<WeightsError>("weights: '{}' is missing", name);
    if (found->second.shape != shape) {
      fail<WeightsError>("weights: '{}' has shape {}, the network needs {}", name, to_string(found->second.shape),
                         to_string(shape));
    }
    std::vector<float> values = found->second.to_floats();
    weights_.erase(found);
    return values;
  }

  // A batch norm with its running statistics.
  Affine affine_norm(const Layer& norm) {
    const Shape shape = {norm.out_channels};
    Affine affine{take(norm.name + ".weight", shape), take(norm.name + ".bias", shape)};
    const std::vector<float> mean = take(norm.name + ".running_mean", shape);
    const std::vector<float> variance = take(norm.name + ".running_var", shape);
    for (std::size_t c = 0; c < affine.scale.size(); ++c) {
      affine.scale[c] /= std::sqrt(variance[c] + static_cast<float>(norm.norm_epsilon));
      affine.shift[c] -= mean[c] * affine.scale[c];
    }
    return affine;
  }

  std::vector<float> take_weight(const Graph& graph, const FusedStep& step, const Layer& layer) {
    const std::string name = layer.name + ".weight";
    const std::int64_t in = layer.in_channels, out = layer.out_channels, kernel = layer.kernel;
    if (layer.type == LayerType::deconvolution) return take(name, {in, out, kernel, kernel});
    if (layer.type != LayerType::linear) {
      const std::vector<float> weight = take(name, {out, in / layer.groups, kernel, kernel});
      return layer.type == LayerType::deformable_convolution ? deformable_columns(weight, layer) : weight;
    }
    const std::vector<float> weight = take(name, {out, in});
    if (!step.flattened) return weight;
    // The map that was flattened: its channels are known, its pixels follow.
    const Layer& flatten = graph.layers[at(layer.inputs[0])];
    const std::int64_t channels = graph.layers[at(flatten.inputs[0])].out_channels;
    return columns_channels_last(weight, out, channels, in / channels);
  }

  void pack(const Graph& graph, const FusedStep& step, const Layer& layer, LayerWeights& packed) {
    std::vector<float> weight = take_weight(graph, step, layer);
    const std::size_t out = at(layer.out_channels);
    std::vector<float> bias(out, 0.0f);
    if (layer.has_bias) bias = take(layer.name + ".bias", {layer.out_channels});
    if (step.norm >= 0) {
      const Affine norm = affine_norm(graph.layers[at(step.norm)]);
      for (std::size_t k = 0; k < out; ++k) bias[k] = bias[k] * norm.scale[k] + norm.shift[k];
      // [K, ...], of a deconvolution [C, K, kernel, kernel]: the filter of element i.
      const std::size_t each = layer.type == LayerType::deconvolution
                                   ? at(static_cast<std::int64_t>(layer.kernel) * layer.kernel)
                                   : weight.size() / out;
      for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= norm.scale[i / each % out];
    }
    const ConvolutionGeometry geometry = step_geometry(graph, step);
    if (options_.precision == WeightPrecision::int8 && options_.quantisation->layers.count(layer.name) > 0) {
      packed.integer = std::make_shared<IntegerConvolution>(geometry, weight.data(), bias.data(),
                                                            input_means(layer.name, geometry.in_channels));
      return;
    }
    const ConvolutionMethod method = step_method(geometry, options_);
    if (options_.precision == WeightPrecision::f32) {
      packed.convolution = std::make_shared<PackedConvolution>(geometry, weight.data(), bias.data(), method);
    } else {
      packed.convolution = std::make_shared<PackedConvolution>(
          PackedConvolution::in_bf16(geometry, weight.data(), bias.data(), method));
    }
  }

  // Of a layer's inputs. The columns of a flattened map go through its channels again and again.
  std::vector<float> input_means(const std::string& layer, int in_channels) const {
    const auto found = options_.quantisation->input_means.find(layer);
    if (found == options_.quantisation->input_means.end() || found->second.empty()) return {};
    std::vector<float> means(at(in_channels));
    for (std::size_t c = 0; c < means.size(); ++c) means[c] = found->second[c % found->second.size()];
    return means;
  }

  NamedArrays weights_;
  CompileOptions options_;
};

}  // namespace

WeightPrecision parse_weight_precision(const std::string& word) {
  if (word == "f32") return WeightPrecision::f32;
  if (word == "bf16") return WeightPrecision::bf16;
  if (word == "int8") return WeightPrecision::int8;
  fail("precision: '{}' is none of f32, bf16, int8", word);
}

const char* to_string(WeightPrecision precision) {
  switch (precision) {
    case WeightPrecision::f32: return "f32";
    case WeightPrecision::bf16: return "bf16";
    case WeightPrecision::int8: return "int8";
  }
  return "?";
}

ConvolutionGeometry step_geometry(const Graph& graph, const FusedStep& step) {
  const Layer& layer = graph.layers[at(step.layer)];
  FASTERMASK_CHECK(is_multiplication(layer.type), "executor: layer {} is no convolution", layer.name);
  ConvolutionGeometry geometry;
  geometry.in_channels = layer.in_channels;
  geometry.out_channels = layer.out_channels;
  if (layer.type == LayerType::linear) return geometry;
  if (layer.type == LayerType::deformable_convolution) {
    geometry.in_channels *= layer.kernel * layer.kernel;
    return geometry;
  }
  geometry.kernel = layer.kernel;
  geometry.stride = layer.stride;
  geometry.padding = layer.padding;
  geometry.transposed = layer.type == LayerType::deconvolution;
  if (!geometry.transposed) {
    geometry.dilation = layer.dilation;
    geometry.groups = layer.groups;
  }
  return geometry;
}

void check_step_weights(const Graph& graph, const FusedStep& step, const LayerWeights& weights) {
  const Layer& layer = graph.layers[at(step.layer)];
  bool fits = true;
  if (is_multiplication(layer.type)) {
    const ConvolutionGeometry geometry = step_geometry(graph, step);
    fits = weights.integer != nullptr
               ? weights.integer->geometry() == geometry
               : weights.convolution != nullptr && weights.convolution->geometry() == geometry;
  } else if (layer.type == LayerType::normalisation) {
    fits = weights.scale.size == at(layer.out_channels) && weights.shift.size == at(layer.out_channels);
  }
  if (!fits) fail<WeightsError>("executor: the weights of {} are not those of this network", layer.name);
}

ConvolutionMethod step_method(const ConvolutionGeometry& geometry, const CompileOptions& options) {
  if (!options.winograd || !PackedConvolution::winograd_fits(geometry)) return ConvolutionMethod::direct;
  return options.precision == WeightPrecision::f32 ? ConvolutionMethod::winograd
                                                   : PackedConvolution::method_in_bf16(geometry);
}

CompiledWeights compile_weights(const Network& network, NamedArrays weights, const CompileOptions& options) {
  FASTERMASK_CHECK(options.precision != WeightPrecision::int8 || options.quantisation != nullptr,
                   "executor: int8 needs a calibration");
  WeightCompiler compiler(std::move(weights), options);
  CompiledWeights compiled;
  for (const Graph* graph : network.graphs()) {
    for (const FusedStep& step : fuse(*graph).steps) compiler.add(*graph, step, compiled);
  }
  return compiled;
}

}  // namespace fastermask
