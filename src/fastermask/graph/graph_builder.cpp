#include "fastermask/graph/graph_builder.h"

#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {

NormType parse_norm(const std::string& norm, const std::string& key) {
  if (norm.empty()) return NormType::none;
  if (norm == "FrozenBN") return NormType::frozen_batch;
  if (norm == "BN") return NormType::batch;
  if (norm == "SyncBN" || norm == "nnSyncBN" || norm == "naiveSyncBN") return NormType::sync_batch;
  if (norm == "GN") return NormType::group;
  fail<ConfigError>("config: {}: not supported: '{}'; known norms are '', FrozenBN, BN, SyncBN, GN", key, norm);
}

GraphBuilder::GraphBuilder(std::string name, int in_channels) {
  graph_.name = std::move(name);
  Layer layer;
  layer.type = LayerType::input;
  layer.name = "input";
  layer.out_channels = in_channels;
  graph_.layers.push_back(layer);
}

int GraphBuilder::append(Layer layer) {
  if (!layer.inputs.empty()) layer.in_channels = channels(layer.inputs[0]);
  if (layer.out_channels == 0) layer.out_channels = layer.in_channels;
  graph_.layers.push_back(std::move(layer));
  return static_cast<int>(graph_.layers.size()) - 1;
}

void GraphBuilder::parameter(const std::string& name, Shape shape, ParameterRole role, Initialiser initialiser,
                             bool trainable) {
  if (!parameter_names_.insert(name).second) return;  // a layer that shares another's weights
  graph_.parameters.push_back({name, std::move(shape), role, initialiser, trainable});
}

int GraphBuilder::convolution(const std::string& name, int input, const ConvolutionSpec& spec) {
  Layer layer;
  layer.type = LayerType::convolution;
  layer.name = name;
  layer.inputs = {input};
  return finish_convolution(std::move(layer), spec);
}

int GraphBuilder::deformable_convolution(const std::string& name, int input, const ConvolutionSpec& spec,
                                         const DeformableSpec& deformable) {
  FASTERMASK_CHECK(deformable.offset_groups > 0 && channels(input) % deformable.offset_groups == 0,
                   "graph: {}: {} channels cannot be divided into {} offset groups", name, channels(input),
                   deformable.offset_groups);
  ConvolutionSpec offsets;
  offsets.out_channels = (deformable.modulated ? 3 : 2) * deformable.offset_groups * spec.kernel * spec.kernel;
  offsets.kernel = spec.kernel;
  offsets.stride = spec.stride;
  offsets.dilation = spec.dilation;
  offsets.initialiser = Initialiser::zeros;
  Layer layer;
  layer.type = LayerType::deformable_convolution;
  layer.name = name;
  layer.inputs = {input, convolution(name + "_offset", input, offsets)};
  layer.offset_groups = deformable.offset_groups;
  layer.modulated = deformable.modulated;
  return finish_convolution(std::move(layer), spec);
}

// The part that plain and deformable convolutions share: sizes, parameters, norm and relu.
int GraphBuilder::finish_convolution(Layer layer, const ConvolutionSpec& spec) {
  const std::string name = layer.name;
  const int input = layer.inputs[0];
  layer.out_channels = spec.out_channels;
  layer.kernel = spec.kernel;
  layer.stride = spec.stride;
  layer.dilation = spec.dilation;
  layer.padding = spec.dilation * (spec.kernel - 1) / 2;
  layer.groups = spec.groups;
  layer.has_bias = spec.norm == NormType::none;
  FASTERMASK_CHECK(channels(input) % spec.groups == 0 && spec.out_channels % spec.groups == 0,
                   "graph: {}: {} input and {} output channels cannot be divided into {} groups", name, channels(input),
                   spec.out_channels, spec.groups);
  parameter(name + ".weight", {spec.out_channels, channels(input) / spec.groups, spec.kernel, spec.kernel},
            ParameterRole::weight, spec.initialiser, trainable_);
  if (layer.has_bias)
    parameter(name + ".bias", {spec.out_channels}, ParameterRole::bias, Initialiser::zeros, trainable_);
  int value = append(std::move(layer));
  if (spec.norm != NormType::none) value = normalisation(name + ".norm", value, spec.norm);
  return spec.relu ? relu(value) : value;
}

int GraphBuilder::normalisation(const std::string& name, int input, NormType norm) {
  Layer layer;
  layer.type = LayerType::normalisation;
  layer.name = name;
  layer.inputs = {input};
  const bool learns = norm == NormType::batch || norm == NormType::sync_batch;
  layer.norm = learns && !trainable_ ? NormType::frozen_batch : norm;
  FASTERMASK_CHECK(norm != NormType::group || channels(input) % layer.norm_groups == 0,
                   "graph: {}: group norm needs a multiple of {} channels, got {}", name, layer.norm_groups,
                   channels(input));
  const Shape shape = {channels(input)};
  const bool trainable = trainable_ && layer.norm != NormType::frozen_batch;
  parameter(name + ".weight", shape, ParameterRole::norm_weight, Initialiser::ones, trainable);
  parameter(name + ".bias", shape, ParameterRole::norm_bias, Initialiser::zeros, trainable);
  if (norm != NormType::group) {
    const bool frozen = layer.norm == NormType::frozen_batch;
    parameter(name + ".running_mean", shape, ParameterRole::running_statistic, Initialiser::zeros, false);
    parameter(name + ".running_var", shape, ParameterRole::running_statistic,
              frozen ? Initialiser::frozen_variance : Initialiser::ones, false);
  }
  return append(std::move(layer));
}

int GraphBuilder::deconvolution(const std::string& name, int input, int out_channels, int kernel, int stride,
                                int padding, Initialiser initialiser) {
  Layer layer;
  layer.type = LayerType::deconvolution;
  layer.name = name;
  layer.inputs = {input};
  layer.out_channels = out_channels;
  layer.kernel = kernel;
  layer.stride = stride;
  layer.padding = padding;
  layer.has_bias = true;
  parameter(name + ".weight", {channels(input), out_channels, kernel, kernel}, ParameterRole::weight, initialiser,
            trainable_);
  parameter(name + ".bias", {out_channels}, ParameterRole::bias, Initialiser::zeros, trainable_);
  return append(std::move(layer));
}

int GraphBuilder::linear(const std::string& name, int input, int in_features, int out_features,
                         Initialiser initialiser) {
  Layer layer;
  layer.type = LayerType::linear;
  layer.name = name;
  layer.inputs = {input};
  layer.out_channels = out_features;
  layer.has_bias = true;
  parameter(name + ".weight", {out_features, in_features}, ParameterRole::weight, initialiser, trainable_);
  parameter(name + ".bias", {out_features}, ParameterRole::bias, Initialiser::zeros, trainable_);
  const int value = append(std::move(layer));
  graph_.layers.back().in_channels = in_features;  // a flattened input has more features than channels
  return value;
}

int GraphBuilder::simple(LayerType type, std::vector<int> inputs) {
  Layer layer;
  layer.type = type;
  layer.inputs = std::move(inputs);
  return append(std::move(layer));
}

int GraphBuilder::relu(int input) { return simple(LayerType::relu, {input}); }
int GraphBuilder::add(int a, int b) { return simple(LayerType::add, {a, b}); }
int GraphBuilder::average(int a, int b) { return simple(LayerType::average, {a, b}); }
int GraphBuilder::flatten(int input) { return simple(LayerType::flatten, {input}); }
int GraphBuilder::spatial_mean(int input) { return simple(LayerType::spatial_mean, {input}); }

int GraphBuilder::max_pool(int input, int kernel, int stride, int padding) {
  const int value = simple(LayerType::max_pool, {input});
  Layer& layer = graph_.layers.back();
  layer.kernel = kernel;
  layer.stride = stride;
  layer.padding = padding;
  return value;
}

int GraphBuilder::upsample_nearest(int input, int scale) {
  const int value = simple(LayerType::upsample_nearest, {input});
  graph_.layers.back().scale = scale;
  return value;
}

int GraphBuilder::upsample_bilinear(int input, int scale) {
  const int value = simple(LayerType::upsample_bilinear, {input});
  graph_.layers.back().scale = scale;
  return value;
}

}  // namespace fastermask
