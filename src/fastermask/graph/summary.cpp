#include "fastermask/graph/summary.h"

#include <set>

namespace fastermask {
namespace {

// What detectron2 keeps as buffers: running statistics, and all four arrays of a FrozenBN.
std::set<std::string> buffer_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Layer& layer : graph.layers) {
    if (layer.type != LayerType::normalisation) continue;
    names.insert({layer.name + ".running_mean", layer.name + ".running_var"});
    if (layer.norm == NormType::frozen_batch) names.insert({layer.name + ".weight", layer.name + ".bias"});
  }
  return names;
}

GraphSummary summarise_graph(const Graph& graph, const Shape& input_shape, std::set<std::string>& counted) {
  GraphSummary summary;
  summary.name = graph.name;
  const std::set<std::string> buffers = buffer_names(graph);
  for (const Parameter& parameter : graph.parameters) {
    if (buffers.count(parameter.name) > 0 || !counted.insert(parameter.name).second) continue;
    summary.parameters += element_count(parameter.shape);
    if (parameter.trainable) summary.trainable += element_count(parameter.shape);
  }
  summary.flops = count_flops(graph, input_shape);
  for (const Shape& shape : infer_shapes(graph, input_shape)) summary.activation_bytes += 4 * element_count(shape);
  return summary;
}

}  // namespace

std::int64_t layer_flops(const Layer& layer, const Shape& in, const Shape& out) {
  switch (layer.type) {
    case LayerType::convolution:
    case LayerType::deformable_convolution:
      return 2 * element_count(out) * (in[1] / layer.groups) * layer.kernel * layer.kernel;
    case LayerType::deconvolution: return 2 * element_count(in) * out[1] * layer.kernel * layer.kernel;
    case LayerType::linear: return 2 * out[0] * out[1] * in[1];
    default: return 0;
  }
}

std::int64_t count_flops(const Graph& graph, const Shape& input_shape) {
  const std::vector<Shape> shapes = infer_shapes(graph, input_shape);
  std::int64_t total = 0;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    if (!layer.inputs.empty())
      total += layer_flops(layer, shapes[static_cast<std::size_t>(layer.inputs[0])], shapes[i]);
  }
  return total;
}

NetworkSummary summarise(const Network& network, ImageSize image_size, int num_proposals, int num_detections) {
  NetworkSummary total;
  std::set<std::string> counted;
  const auto add = [&](const Graph& graph, const Shape& input_shape) {
    total.graphs.push_back(summarise_graph(graph, input_shape, counted));
    const GraphSummary& summary = total.graphs.back();
    total.parameters += summary.parameters;
    total.trainable += summary.trainable;
    total.flops += summary.flops;
  };
  const auto pooled = [](const Graph& graph, int count, int resolution) {
    return Shape{count, graph.layers.front().out_channels, resolution, resolution};
  };
  const std::int64_t divisor = network.size_divisibility > 0 ? network.size_divisibility : 1;
  const auto round_up = [divisor](std::int64_t size) { return (size + divisor - 1) / divisor * divisor; };
  add(network.dense, {1, 3, round_up(image_size.height), round_up(image_size.width)});
  int box_resolution = network.box_pooler.resolution;
  int mask_resolution = network.mask_pooler.resolution;
  if (network.roi_stage) {
    add(*network.roi_stage, pooled(*network.roi_stage, num_proposals, box_resolution));
    box_resolution = (box_resolution + 1) / 2;
    mask_resolution = (mask_resolution + 1) / 2;
  }
  for (const Graph& head : network.box_heads) add(head, pooled(head, num_proposals, box_resolution));
  if (network.roi_stage && network.mask_head) {  // masks are cut anew from the detected boxes
    add(*network.roi_stage, pooled(*network.roi_stage, num_detections, network.mask_pooler.resolution));
    total.graphs.back().name += " (masks)";
  }
  if (network.mask_head) add(*network.mask_head, pooled(*network.mask_head, num_detections, mask_resolution));
  if (network.keypoint_head) {
    add(*network.keypoint_head, pooled(*network.keypoint_head, num_detections, network.keypoint_pooler.resolution));
  }
  return total;
}

}  // namespace fastermask
