// The network as data: a Graph is a list of layers in the order they run. Builders write it once from the config; the
// executors, the summary and the exporters read it.
//
// Values are feature maps [N, C, H, W] (stored channels-last by executors), pooled regions [R, C, P, P] or matrices
// [R, C]. A value is named by the index of the layer that makes it.
#pragma once

#include <string>
#include <vector>

#include "fastermask/structures/ndarray.h"

namespace fastermask {

enum class LayerType {
  input,             // the graph's input
  convolution,       // weight [out, in / groups, kernel, kernel], optional bias [out]
  deformable_convolution,  // as convolution, its taps moved by inputs[1], the offsets (kernels/deform_conv.h)
  deconvolution,     // transposed convolution, weight [in, out, kernel, kernel], bias [out]
  linear,            // weight [out, in], bias [out]; input [R, in]
  normalisation,     // per channel, see NormType
  relu,              // max(x, 0)
  add,               // inputs[0] + inputs[1], equal shapes
  average,           // (inputs[0] + inputs[1]) / 2
  max_pool,          // kernel, stride, padding
  upsample_nearest,  // each side times `scale`
  upsample_bilinear, // each side times `scale`, corners not aligned
  flatten,           // [R, C, P, P] -> [R, C * P * P], in C, P, P order
  spatial_mean,      // [R, C, P, P] -> [R, C]
};

enum class NormType {
  none,
  batch,
  sync_batch,  // batch, with the statistics of all processes that train together
  frozen_batch,
  group
};

// What a parameter is, for the optimiser's weight-decay groups (detectron2 solver/build.py).
enum class ParameterRole { weight, bias, norm_weight, norm_bias, running_statistic };

// How a parameter starts when no weights are loaded.
enum class Initialiser {
  zeros,
  ones,
  frozen_variance,        // 1 - eps: FrozenBN's running_var
  kaiming_normal_fan_out, // Caffe2's MSRA fill
  kaiming_uniform_fan_in, // Caffe2's Xavier fill: uniform(-sqrt(3 / fan_in), sqrt(3 / fan_in))
  normal_0_01,            // normal with standard deviation 0.01
  normal_0_001,
};

struct Parameter {
  std::string name;  // detectron2's state dict key
  Shape shape;
  ParameterRole role = ParameterRole::weight;
  Initialiser initialiser = Initialiser::zeros;
  bool trainable = true;  // false: frozen, or a running statistic
};

struct Layer {
  LayerType type = LayerType::input;
  std::string name;         // of its parameters: name + ".weight", ...; layers that share weights share the name
  std::vector<int> inputs;  // layer indices, all smaller than this layer's own
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int padding = 0;
  int dilation = 1;
  int groups = 1;
  int offset_groups = 1;              // of a deformable convolution
  bool modulated = false;             // of a deformable convolution: v2, whose offsets also weigh the taps
  int scale = 1;                      // upsampling factor
  bool has_bias = false;
  NormType norm = NormType::none;     // of a normalisation layer
  int norm_groups = 32;               // of a group norm
  double norm_epsilon = 1e-5;
};

struct GraphOutput {
  std::string name;  // "p2", "rpn.logits.p2", "box.logits", ...
  int layer = 0;
};

struct Graph {
  std::string name;  // "dense", "box_head", ...
  std::vector<Layer> layers;
  std::vector<GraphOutput> outputs;
  std::vector<Parameter> parameters;  // each name once, in the order of their layers

  // The output of that name. Throws Error listing the outputs there are.
  const GraphOutput& output(const std::string& output_name) const;
  bool has_output(const std::string& output_name) const;
};

// Shapes of every layer's value, [layer], for one input shape. Throws Error when a layer cannot take its input.
std::vector<Shape> infer_shapes(const Graph& graph, const Shape& input_shape);

// The last layer that reads each value, [layer]; the layer count for graph outputs. Executors free values by it.
std::vector<int> last_uses(const Graph& graph);

}  // namespace fastermask
