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
      if (layer.type == LayerType::normalisation && layer.norm == NormType::frozen_batch) frozen_norms.insert(layer.name);
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

void save_checkpoint(const std::string& folder, const std::string& name, std::int64_t iteration, std::uint64_t seed,
                     const TrainableRcnn& model, const Sgd& optimizer) {
  const std::string path = join_path(folder, name + ".pth");
  log_info(kModule, "Saving checkpoint to {}", path);
  const SolverConfig& solver = model.config().solver;
  PickleValue scheduler = PickleValue::dict();
  scheduler.set("last_epoch", PickleValue::integer(iteration + 1));
  scheduler.set("base_lrs", PickleValue::list({PickleValue::real(solver.base_lr)}));
  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(model.parameters().state()));
  tree.set("optimizer", optimizer.state(learning_rate(solver, iteration + 1)));
  tree.set("scheduler", std::move(scheduler));
  tree.set("iteration", PickleValue::integer(iteration));
  tree.set("fastermask_seed", PickleValue::string(std::to_string(seed)));  // 64 unsigned bits: more than an int holds
  save_torch_file(path, tree);
  write_file_atomic(join_path(folder, "last_checkpoint"), name + ".pth");
}

std::optional<ResumePoint> resume_from_checkpoint(const std::string& folder, TrainableRcnn& model, Sgd& optimizer) {
  const std::string pointer = join_path(folder, "last_checkpoint");
  if (!is_file(pointer)) return std::nullopt;
  const std::string path = join_path(folder, std::string(trim(read_file(pointer))));
  if (!is_file(path)) fail<WeightsError>("checkpoint: {} names {}, which does not exist", pointer, path);
  log_info(kModule, "Loading from {} ...", path);
  const PickleValue tree = load_torch_file(path);
  if (tree.find("iteration") == nullptr || tree.find("optimizer") == nullptr) {
    fail<WeightsError>("checkpoint: {} is no training checkpoint: it has no 'iteration' and 'optimizer'; start without "
                       "--resume and with MODEL.WEIGHTS {}", path, path);
  }
  ResumePoint point;
  point.next_iteration = tree.at("iteration").as_int() + 1;
  if (const PickleValue* seed = tree.find("fastermask_seed")) point.seed = std::strtoull(seed->text().c_str(), nullptr, 10);
  if (!optimizer.load_state(tree.at("optimizer"))) {
    log_warning(kModule, "{} was written by another program; momentum starts from zero", path);
  }
  const WeightFile file = weights_of_tree(tree, path);
  const LoadedWeights loaded = load_weights_for(file, wanted_parameters(model));
  if (!loaded.match.missing.empty() || !loaded.match.mismatched.empty()) {
    fail<WeightsError>("checkpoint: {} does not fit the model, so training cannot go on from it\n{}", path,
                       format_match_report(loaded.match, path));
  }
  for (const auto& [name, array] : loaded.arrays) model.parameters().assign(name, array);
  return point;
}

}  // namespace fastermask
