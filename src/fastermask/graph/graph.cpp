#include "fastermask/graph/graph.h"

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

std::int64_t window_output(std::int64_t size, const Layer& layer) {
  const std::int64_t extent = static_cast<std::int64_t>(layer.dilation) * (layer.kernel - 1) + 1;
  const std::int64_t padded = size + 2 * layer.padding;
  FASTERMASK_CHECK(padded >= extent, "graph: {}: input of {} pixels is too small for kernel {}", layer.name, size,
                   layer.kernel);
  return (padded - extent) / layer.stride + 1;
}

Shape infer_layer(const Layer& layer, const std::vector<Shape>& shapes) {
  const Shape& in = shapes[static_cast<std::size_t>(layer.inputs[0])];
  switch (layer.type) {
    case LayerType::input: break;
    case LayerType::convolution:
    case LayerType::deformable_convolution:
      return {in[0], layer.out_channels, window_output(in[2], layer), window_output(in[3], layer)};
    case LayerType::max_pool: return {in[0], in[1], window_output(in[2], layer), window_output(in[3], layer)};
    case LayerType::deconvolution: {
      const auto grow = [&layer](std::int64_t size) {
        return (size - 1) * layer.stride - 2 * layer.padding + layer.kernel;
      };
      return {in[0], layer.out_channels, grow(in[2]), grow(in[3])};
    }
    case LayerType::linear: return {in[0], layer.out_channels};
    case LayerType::normalisation:
    case LayerType::relu: return in;
    case LayerType::add:
    case LayerType::average: {
      const Shape& other = shapes[static_cast<std::size_t>(layer.inputs[1])];
      FASTERMASK_CHECK(in == other,
                       "graph: cannot add {} and {}; the input sides must be a multiple of the size divisibility",
                       to_string(in), to_string(other));
      return in;
    }
    case LayerType::upsample_nearest:
    case LayerType::upsample_bilinear: return {in[0], in[1], in[2] * layer.scale, in[3] * layer.scale};
    case LayerType::flatten: return {in[0], in[1] * in[2] * in[3]};
    case LayerType::spatial_mean: return {in[0], in[1]};
  }
  fail("graph: layer {} has no input", layer.name);
}

}  // namespace

const GraphOutput& Graph::output(const std::string& output_name) const {
  std::vector<std::string> names;
  for (const GraphOutput& candidate : outputs) {
    if (candidate.name == output_name) return candidate;
    names.push_back(candidate.name);
  }
  fail("graph: {} has no output '{}'; it has {}", name, output_name, join(names, ", "));
}

bool Graph::has_output(const std::string& output_name) const {
  for (const GraphOutput& candidate : outputs) {
    if (candidate.name == output_name) return true;
  }
  return false;
}

std::vector<Shape> infer_shapes(const Graph& graph, const Shape& input_shape) {
  std::vector<Shape> shapes;
  shapes.reserve(graph.layers.size());
  for (const Layer& layer : graph.layers) {
    if (layer.type == LayerType::input) {
      FASTERMASK_CHECK(input_shape.size() >= 2 && input_shape[1] == layer.out_channels,
                       "graph: {} takes {} channels, got an input of {}", graph.name, layer.out_channels,
                       to_string(input_shape));
      shapes.push_back(input_shape);
    } else {
      shapes.push_back(infer_layer(layer, shapes));
    }
  }
  return shapes;
}

std::vector<int> last_uses(const Graph& graph) {
  std::vector<int> uses(graph.layers.size());
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    uses[i] = static_cast<int>(i);
    for (const int input : graph.layers[i].inputs) uses[static_cast<std::size_t>(input)] = static_cast<int>(i);
  }
  for (const GraphOutput& output : graph.outputs) {
    uses[static_cast<std::size_t>(output.layer)] = static_cast<int>(graph.layers.size());
  }
  return uses;
}

}  // namespace fastermask
