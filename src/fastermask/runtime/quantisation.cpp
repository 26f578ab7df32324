#include "fastermask/runtime/quantisation.h"

#include <algorithm>
#include <array>

#include "fastermask/base/text.h"
#include "fastermask/kernels/integer_convolution.h"
#include "fastermask/runtime/compiled_weights.h"

namespace fastermask {
namespace {

// Ends of the names of layers that make the network's last numbers.
constexpr std::array<const char*, 6> kPredictors = {"objectness_logits", "anchor_deltas", "cls_score",
                                                    "bbox_pred",         "predictor",     "score_lowres"};

bool is_predictor(const std::string& name) {
  return std::any_of(kPredictors.begin(), kPredictors.end(), [&](const char* end) { return ends_with(name, end); });
}

bool can_be_integer(const Graph& graph, const FusedStep& step, bool reads_picture) {
  const Layer& layer = graph.layers[static_cast<std::size_t>(step.layer)];
  if (layer.type != LayerType::convolution && layer.type != LayerType::deconvolution &&
      layer.type != LayerType::linear)
    return false;
  return !(reads_picture && step.input == 0) && !is_predictor(layer.name) &&
         IntegerConvolution::fits(step_geometry(graph, step));
}

}  // namespace

std::set<std::string> integer_layers(const Network& network) {
  std::set<std::string> found, impossible;
  for (const Graph* graph : network.graphs()) {
    const std::vector<FusedStep> steps = fuse(*graph).steps;
    for (const FusedStep& step : steps) {
      bool possible = can_be_integer(*graph, step, graph == &network.dense);
      // A flattened map has no room for the border that another reader needs.
      if (step.flattened) {
        for (const FusedStep& other : steps)
          possible = possible && (other.input != step.input || other.layer == step.layer || other.flattened);
      }
      (possible ? found : impossible).insert(graph->layers[static_cast<std::size_t>(step.layer)].name);
    }
  }
  for (const std::string& name : impossible) found.erase(name);  // layers of one name share their weights
  return found;
}

}  // namespace fastermask
