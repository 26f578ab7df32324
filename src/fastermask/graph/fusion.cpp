#include "fastermask/graph/fusion.h"

#include <cstddef>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

bool multiplies(LayerType type) {
  return type == LayerType::convolution || type == LayerType::deformable_convolution ||
         type == LayerType::deconvolution || type == LayerType::linear;
}

class Fuser {
 public:
  explicit Fuser(const Graph& graph)
      : graph_(graph),
        readers_(graph.layers.size(), 0),
        values_(graph.layers.size()),
        makers_(graph.layers.size(), -1) {
    for (const Layer& layer : graph.layers) {
      for (const int input : layer.inputs) ++readers_[index(input)];
    }
    for (const GraphOutput& output : graph.outputs) ++readers_[index(output.layer)];
  }

  FusedGraph fuse() && {
    for (std::size_t i = 0; i < graph_.layers.size(); ++i) {
      values_[i] = static_cast<int>(i);
      if (graph_.layers[i].type != LayerType::input) add_layer(static_cast<int>(i));
    }
    FusedGraph fused;
    for (const FusedStep& step : steps_) {
      if (!dropped(step)) fused.steps.push_back(step);
    }
    for (const GraphOutput& output : graph_.outputs) fused.outputs.push_back(values_[index(output.layer)]);
    return fused;
  }

 private:
  static std::size_t index(int value) { return static_cast<std::size_t>(value); }
  const Layer& layer(int value) const { return graph_.layers[index(value)]; }
  static bool dropped(const FusedStep& step) { return step.output < 0; }

  // The step that makes layer `i`'s value, if nobody else reads that value; null otherwise.
  FusedStep* private_maker(int i) {
    if (readers_[index(i)] != 1 || makers_[index(i)] < 0) return nullptr;
    return &steps_[index(makers_[index(i)])];
  }

  // From here on `step` makes the value of layer `i`.
  void extend(FusedStep& step, int i) {
    makers_[index(i)] = static_cast<int>(&step - steps_.data());
    step.output = i;
  }

  void append(int i, FusedStep step) {
    step.layer = step.output = i;
    makers_[index(i)] = static_cast<int>(steps_.size());
    steps_.push_back(step);
  }

  int value(int i) const { return values_[index(i)]; }

  void add_layer(int i) {
    const Layer& current = layer(i);
    const int input = current.inputs[0];
    FusedStep step;
    step.input = value(input);
    switch (current.type) {
      case LayerType::normalisation:
        if (fold_norm(i, input)) return;
        break;
      case LayerType::relu:
        if (fuse_relu(i, input)) return;
        break;
      case LayerType::add:
        if (fuse_add(i, current.inputs[0], current.inputs[1]) || fuse_add(i, current.inputs[1], current.inputs[0]))
          return;
        break;
      case LayerType::flatten:
        if (graph_.layers[index(input)].type != LayerType::flatten && only_linear_reads(i)) {
          values_[index(i)] = value(input);
          makers_[index(i)] = -1;
          return;
        }
        break;
      default: break;
    }
    if (current.inputs.size() > 1) step.second_input = value(current.inputs[1]);
    if (current.type == LayerType::linear) step.flattened = layer(input).type == LayerType::flatten;
    append(i, step);
  }

  bool only_linear_reads(int i) const {
    for (const GraphOutput& output : graph_.outputs) {
      if (output.layer == i) return false;
    }
    for (const Layer& reader : graph_.layers) {
      for (const int input : reader.inputs) {
        if (input == i && reader.type != LayerType::linear) return false;
      }
    }
    return true;
  }

  bool fold_norm(int i, int input) {
    FusedStep* maker = private_maker(input);
    const NormType norm = layer(i).norm;
    if (maker == nullptr || !multiplies(layer(maker->layer).type) || maker->norm >= 0 || maker->relu ||
        maker->residual >= 0 ||
        (norm != NormType::batch && norm != NormType::sync_batch && norm != NormType::frozen_batch)) {
      return false;
    }
    maker->norm = i;
    extend(*maker, i);
    return true;
  }

  bool fuse_relu(int i, int input) {
    FusedStep* maker = private_maker(input);
    if (maker == nullptr || maker->relu) return false;
    const Layer& made_by = layer(maker->layer);
    const bool can = multiplies(made_by.type) || made_by.type == LayerType::add || made_by.type == LayerType::average ||
                     made_by.type == LayerType::normalisation;
    if (!can) return false;
    maker->relu = true;
    extend(*maker, i);
    return true;
  }

  // Adds value `other` in the step that makes `main`.
  bool fuse_add(int i, int main, int other) {
    FusedStep* maker = private_maker(main);
    if (maker == nullptr || main == other || !multiplies(layer(maker->layer).type) || maker->relu ||
        maker->residual >= 0 || layer(maker->layer).type == LayerType::linear) {
      return false;
    }
    int residual = value(other);
    int scale = 1;
    FusedStep* upsampling = private_maker(other);
    if (upsampling != nullptr && layer(upsampling->layer).type == LayerType::upsample_nearest &&
        layer(upsampling->layer).scale == 2 && layer(maker->layer).type == LayerType::convolution) {
      residual = upsampling->input;
      scale = 2;
    } else {
      upsampling = nullptr;
    }
    // The residual must be there when the step runs.
    if (residual > 0 && makers_[index(residual)] > static_cast<int>(maker - steps_.data())) return false;
    if (upsampling != nullptr) upsampling->output = -1;
    maker->residual = residual;
    maker->residual_scale = scale;
    extend(*maker, i);
    return true;
  }

  const Graph& graph_;
  std::vector<int> readers_;  // [layer] layers and outputs that read its value
  std::vector<int> values_;   // [layer] the value that stands for it
  std::vector<int> makers_;   // [layer] the step that makes its value; -1: none
  std::vector<FusedStep> steps_;
};

}  // namespace

FusedGraph fuse(const Graph& graph) { return Fuser(graph).fuse(); }

}  // namespace fastermask
