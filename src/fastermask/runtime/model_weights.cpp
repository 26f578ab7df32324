#include "fastermask/runtime/model_weights.h"

#include <set>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/runtime/initial_weights.h"
#include "fastermask/weights/locate.h"

namespace fastermask {
namespace {

constexpr const char* kModule = "checkpoint";

}  // namespace

std::vector<ParameterSpec> wanted_parameters(const Network& network) {
  std::set<std::string> frozen_norms;
  for (const Graph* graph : network.graphs()) {
    for (const Layer& layer : graph->layers) {
      if (layer.type == LayerType::normalisation && layer.norm == NormType::frozen_batch)
        frozen_norms.insert(layer.name);
    }
  }
  std::vector<ParameterSpec> wanted;
  for (const Parameter& parameter : network.parameters()) {
    const std::string module = parameter.name.substr(0, parameter.name.rfind('.'));
    wanted.push_back({parameter.name, parameter.shape, frozen_norms.count(module) > 0});
  }
  return wanted;
}

NamedArrays fitting_weights(const WeightFile& file, const Network& network) {
  LoadedWeights loaded = load_weights_for(file, wanted_parameters(network));
  const std::string report = format_match_report(loaded.match, file.path);
  if (loaded.match.matched.empty()) {
    fail<WeightsError>("weights: {}: no array of the file fits the model\n{}", file.path, report);
  }
  if (!report.empty()) log_warning(kModule, "{}", report);
  return std::move(loaded.arrays);
}

NamedArrays load_network_weights(const std::string& weights, const Network& network) {
  if (weights.empty()) {
    fail<WeightsError>("weights: none given; name a weight file with --weights or MODEL.WEIGHTS");
  }
  const std::string path = locate_weights(weights);
  log_info(kModule, "Loading from {} ...", path);
  NamedArrays arrays = fitting_weights(load_weight_file(path), network);
  for (const Parameter& parameter : network.parameters()) {
    if (arrays.count(parameter.name) == 0) arrays[parameter.name] = initial_values(parameter, 0);
  }
  return arrays;
}

}  // namespace fastermask
