// Writes a Graph layer by layer. The builders of the network's parts (backbone.h, heads.h) use it.
#pragma once

#include <string>
#include <unordered_set>

#include "fastermask/graph/graph.h"

namespace fastermask {

// The norm that a config's NORM string names: "" none, FrozenBN, BN, SyncBN (and its spellings), GN. Throws
// ConfigError.
NormType parse_norm(const std::string& norm, const std::string& key);

struct ConvolutionSpec {
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int dilation = 1;
  int groups = 1;
  NormType norm = NormType::none;  // followed by this norm; a convolution with a norm has no bias
  bool relu = false;               // followed by a relu
  Initialiser initialiser = Initialiser::kaiming_normal_fan_out;
};

// What a deformable convolution has besides: MODEL.RESNETS.DEFORM_NUM_GROUPS, DEFORM_MODULATED.
struct DeformableSpec {
  int offset_groups = 1;
  bool modulated = false;
};

class GraphBuilder {
 public:
  // A graph with one input of `in_channels` channels: value 0.
  GraphBuilder(std::string name, int in_channels);

  int input() const { return 0; }
  int channels(int value) const { return graph_.layers[static_cast<std::size_t>(value)].out_channels; }

  // Parameters made from here on start as trainable or frozen; while frozen, batch norms become FrozenBN
  // (detectron2 resnet.py freeze()).
  void set_trainable(bool trainable) { trainable_ = trainable; }

  // Each adds a layer (convolution: up to three) and returns its value. `name` is the state dict name of the module.
  // Padding keeps a stride-1 convolution's size: dilation * (kernel - 1) / 2.
  int convolution(const std::string& name, int input, const ConvolutionSpec& spec);
  // A deformable convolution; the convolution that makes its offsets, name + "_offset", comes before it.
  int deformable_convolution(const std::string& name, int input, const ConvolutionSpec& spec,
                             const DeformableSpec& deformable);
  int deconvolution(const std::string& name, int input, int out_channels, int kernel, int stride, int padding,
                    Initialiser initialiser);
  int linear(const std::string& name, int input, int in_features, int out_features, Initialiser initialiser);
  int relu(int input);
  int add(int a, int b);
  int average(int a, int b);
  int max_pool(int input, int kernel, int stride, int padding);
  int upsample_nearest(int input, int scale);
  int upsample_bilinear(int input, int scale);
  int flatten(int input);
  int spatial_mean(int input);

  void output(const std::string& name, int value) { graph_.outputs.push_back({name, value}); }
  Graph build() && { return std::move(graph_); }

 private:
  int append(Layer layer);
  int finish_convolution(Layer layer, const ConvolutionSpec& spec);
  int normalisation(const std::string& name, int input, NormType norm);
  int simple(LayerType type, std::vector<int> inputs);
  void parameter(const std::string& name, Shape shape, ParameterRole role, Initialiser initialiser, bool trainable);

  Graph graph_;
  std::unordered_set<std::string> parameter_names_;
  bool trainable_ = true;
};

}  // namespace fastermask
