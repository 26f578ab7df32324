#include "fastermask/training/checkpoint.h"

#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/runtime/model_weights.h"
#include "fastermask/training/schedule.h"
#include "fastermask/weights/locate.h"
#include "fastermask/weights/matching.h"
#include "fastermask/weights/torch_file.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {
namespace {

constexpr const char* kModule = "checkpoint";

}  // namespace

void load_model_weights(const std::string& weights, TrainableRcnn& model, const std::vector<std::string>& folders) {
  if (weights.empty()) {
    log_info(kModule, "No checkpoint found. Initializing model from scratch");
    return;
  }
  const std::string path = locate_weights(weights, folders);
  log_info(kModule, "Loading from {} ...", path);
  for (const auto& [name, array] : fitting_weights(load_weight_file(path), model.network()))
    model.parameters().assign(name, array);
}

void restore_model(const WeightFile& file, TrainableRcnn& model) {
  const LoadedWeights loaded = load_weights_for(file, wanted_parameters(model.network()));
  if (!loaded.match.missing.empty() || !loaded.match.mismatched.empty()) {
    fail<WeightsError>("checkpoint: {} does not fit the model, so training cannot go on from it\n{}", file.path,
                       format_match_report(loaded.match, file.path));
  }
  for (const auto& [name, array] : loaded.arrays) model.parameters().assign(name, array);
}

}  // namespace fastermask
