#include "fastermask/training/checkpoint.h"

#include <cstdlib>
#include <set>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/training/schedule.h"
#include "fastermask/weights/locate.h"
#include "fastermask/weights/matching.h"
#include "fastermask/weights/torch_file.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {
namespace {

constexpr const char* kModule = "checkpoint";

// What the model wants from a weight file, with FrozenBN's four buffers marked.
std::vector<ParameterSpec> wanted_parameters(const TrainableRcnn& model) {
  std::set<std::string> frozen_norms;
  for (const Graph* graph : model.network().graphs()) {
    for (const Layer& layer : graph->layers) {
      if (layer.type == LayerType::normalisation && layer.norm == NormType::frozen_batch)
        frozen_norms.insert(layer.name);
    }
  }
  std::vector<ParameterSpec> wanted;
  for (const StoredParameter& stored : model.parameters().all()) {
    const std::string module = stored.info.name.substr(0, stored.info.name.rfind('.'));
    wanted.push_back({stored.info.name, stored.info.shape, frozen_norms.count(module) > 0});
  }
  return wanted;
}

void assign_matching(const WeightFile& file, TrainableRcnn& model) {
  const LoadedWeights loaded = load_weights_for(file, wanted_parameters(model));
  const std::string report = format_match_report(loaded.match, file.path);
  if (loaded.match.matched.empty()) {
    fail<WeightsError>("weights: {}: no array of the file fits the model\n{}", file.path, report);
  }
  for (const auto& [name, array] : loaded.arrays) model.parameters().assign(name, array);
  if (!report.empty()) log_warning(kModule, "{}", report);
}

}  // namespace

void load_model_weights(const std::string& weights, TrainableRcnn& model, const std::vector<std::string>& folders) {
  if (weights.empty()) {
    log_info(kModule, "No checkpoint found. Initializing model from scratch");
    return;
  }
  const std::string path = locate_weights(weights, folders);
  log_info(kModule, "Loading from {} ...", path);
  assign_matching(load_weight_file(path), model);
}

void restore_model(const WeightFile& file, TrainableRcnn& model) {
  const LoadedWeights loaded = load_weights_for(file, wanted_parameters(model));
  if (!loaded.match.missing.empty() || !loaded.match.mismatched.empty()) {
    fail<WeightsError>("checkpoint: {} does not fit the model, so training cannot go on from it\n{}", file.path,
                       format_match_report(loaded.match, file.path));
  }
  for (const auto& [name, array] : loaded.arrays) model.parameters().assign(name, array);
}

}  // namespace fastermask
