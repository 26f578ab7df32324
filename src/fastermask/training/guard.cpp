#include "fastermask/training/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/config/load.h"
#include "fastermask/training/batch_record.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/layer_recorder.h"
#include "fastermask/training/memory.h"
#include "fastermask/training/threads.h"
#include "fastermask/weights/torch_file.h"

namespace fastermask {
namespace {

constexpr const char* kReplay = "engine.replay";
constexpr std::size_t kGradientsShown = 5;

bool all_finite(const float* values, std::size_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

std::string bad_input(const TrainableRcnn& model, const Batch& batch) {
  if (!all_finite(batch.images.data(), batch.images.size())) return "the batch's images";
  for (std::size_t i = 0; i < batch.ground_truths.size(); ++i) {
    for (const Box& box : batch.ground_truths[i].boxes) {
      if (!box.finite()) return fmt::format("a ground-truth box of {}", batch.file_names[i]);
    }
  }
  for (const StoredParameter& stored : model.parameters().all()) {
    // The step itself has moved running statistics already; it does not depend on them.
    if (stored.info.role == ParameterRole::running_statistic) continue;
    const std::string bad = describe_non_finite(to_array(stored.tensor));
    if (!bad.empty()) return fmt::format("parameter {} {}", stored.info.name, bad);
  }
  return "";
}

// Computes losses and gradients; where that fails for values that are not finite, `failure` gets the message.
StepLosses compute_step(TrainableRcnn& model, const RecordedStep& step, NonFiniteFinder& finder, std::string& failure) {
  for (const StoredParameter& stored : model.parameters().all()) {
    at::Tensor parameter = stored.tensor;
    parameter.mutable_grad().reset();
  }
  StepContext context;
  context.iteration = step.iteration;
  context.seed = step.seed;
  StepLosses losses;
  model.set_recorder(&finder);
  try {
    losses = model.compute_losses(step.batch, context);
    losses.total().backward();
  } catch (const DivergedError& error) {
    failure = error.what();
  }
  model.set_recorder(nullptr);
  return losses;
}

std::string bad_loss_or_gradient(const TrainableRcnn& model, const StepLosses& losses) {
  for (const NamedLoss& loss : losses.losses) {
    const double value = loss.value.item<double>();
    if (!std::isfinite(value)) return fmt::format("{} is {}", loss.name, value);
  }
  for (auto it = model.parameters().all().rbegin(); it != model.parameters().all().rend(); ++it) {
    if (!it->tensor.grad().defined()) continue;
    const std::string bad = describe_non_finite(to_array(it->tensor.grad()));
    if (!bad.empty()) return fmt::format("gradient of {} {}", it->info.name, bad);
  }
  return "";
}

}  // namespace

std::string find_non_finite(TrainableRcnn& model, const RecordedStep& step) {
  if (std::string found = bad_input(model, step.batch); !found.empty()) return found;
  NonFiniteFinder finder;
  std::string failure;
  const StepLosses losses = compute_step(model, step, finder, failure);
  if (!finder.found().empty()) return finder.found();
  if (!failure.empty()) return failure;
  return bad_loss_or_gradient(model, losses);
}

void save_replay(const std::string& path, const TrainableRcnn& model, const RecordedStep& step) {
  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(model.parameters().state()));
  tree.set("config", PickleValue::string(dump_config(model.config())));
  tree.set("iteration", PickleValue::integer(step.iteration));
  tree.set("seed", PickleValue::string(std::to_string(step.seed)));
  tree.set("batch", record_batch(step.batch));
  save_torch_file(path, tree);
}

bool replay_step(const std::string& path) {
  const PickleValue tree = load_torch_file(path);
  for (const char* key : {"model", "config", "iteration", "seed", "batch"}) {
    if (tree.find(key) == nullptr) fail<WeightsError>("replay: {} is no recorded step: it has no '{}'", path, key);
  }
  keep_freed_memory();
  use_compute_threads();
  RecordedStep step;
  step.iteration = tree.at("iteration").as_int();
  step.seed = std::strtoull(tree.at("seed").text().c_str(), nullptr, 10);
  step.batch = batch_of_record(tree.at("batch"));
  const Config config = parse_config(tree.at("config").text(), path);
  TrainableRcnn model(config, 0);
  restore_model(weights_of_tree(tree, path), model);
  model.set_precision(precision_on("cpu", precision_plan(config).precision));
  model.set_own_kernels(true);
  log_info(kReplay, "Iteration {} on {}", step.iteration, join(step.batch.file_names, ", "));
  std::string bad = bad_input(model, step.batch), failure;
  NonFiniteFinder finder;
  const StepLosses losses = compute_step(model, step, finder, failure);
  for (const NamedLoss& loss : losses.losses) log_info(kReplay, "{}: {}", loss.name, loss.value.item<double>());
  std::vector<std::pair<double, std::string>> norms;
  for (const StoredParameter& stored : model.parameters().all()) {
    if (stored.tensor.grad().defined())
      norms.emplace_back(stored.tensor.grad().norm().item<double>(), stored.info.name);
  }
  std::stable_sort(norms.begin(), norms.end(), [](const auto& a, const auto& b) {
    return (std::isfinite(a.first) ? a.first : HUGE_VAL) > (std::isfinite(b.first) ? b.first : HUGE_VAL);
  });
  norms.resize(std::min(norms.size(), kGradientsShown));
  for (const auto& [norm, name] : norms) log_info(kReplay, "gradient norm {:.6g} of {}", norm, name);
  if (bad.empty()) bad = finder.found();
  if (bad.empty()) bad = failure;
  if (bad.empty()) bad = bad_loss_or_gradient(model, losses);
  if (bad.empty()) {
    log_info(kReplay, "All values are finite");
    return true;
  }
  log_error(kReplay, "The first that is not finite: {}", bad);
  return false;
}

}  // namespace fastermask
