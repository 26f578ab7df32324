#include "fastermask/training/dump_step.h"

#include <utility>
#include <vector>

#include "fastermask/base/log.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/rcnn.h"
#include "fastermask/training/schedule.h"
#include "fastermask/training/threads.h"
#include "fastermask/weights/npz.h"

namespace fastermask {
namespace {

// The first pictures, with nothing left to chance.
Batch first_batch(const Config& config, int size_divisibility) {
  LoaderOptions options = make_training_loader_options(config, size_divisibility, 0);
  options.threads = 0;
  options.shuffle = false;
  options.aspect_grouping = false;
  options.repeat_threshold = 0;
  options.class_aware = false;
  options.subset_ratio = 1;
  AugmentationOptions& augmentation = options.mapper.augmentation;
  augmentation.min_sizes.resize(1);
  augmentation.min_size_range = false;
  augmentation.flip = FlipMode::none;
  augmentation.crop = CropMode::none;
  augmentation.list.clear();
  TrainingLoader loader(load_datasets(config.datasets.train, {false, 0, dataset_loading(config)}), options);
  return loader.next();
}

NDArray scalar_array(double value) { return NDArray::from({}, std::vector<float>{static_cast<float>(value)}); }

void dump_first_step(const StepLosses& step, const TrainableRcnn& model, NamedArrays& dump) {
  for (const NamedLoss& loss : step.losses) dump["loss." + loss.name] = scalar_array(loss.value.item<double>());
  dump["loss.total"] = scalar_array(step.total().item<double>());
  for (const auto& [name, value] : step.metrics) dump["metric." + name] = scalar_array(value);
  for (const StoredParameter& parameter : model.parameters().all()) {
    if (parameter.tensor.grad().defined()) dump["grad." + parameter.info.name] = to_array(parameter.tensor.grad());
  }
}

}  // namespace

void dump_training_step(const Config& config, const DumpStepOptions& options) {
  use_compute_threads();
  const std::uint64_t seed = config.seed < 0 ? 0 : static_cast<std::uint64_t>(config.seed);
  TrainableRcnn model(config, seed);
  load_model_weights(config.model.weights, model, {});
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(model.parameters(), config.solver);
  const Batch batch = first_batch(config, model.network().size_divisibility);
  NamedArrays dump;
  std::map<std::string, std::vector<float>> curves;
  for (int i = 0; i < options.steps; ++i) {
    StepContext context;
    context.iteration = i;
    context.seed = seed;
    context.strategy = options.sampling;
    context.dump = i == 0 ? &dump : nullptr;
    const StepLosses step = model.compute_losses(batch, context);
    const at::Tensor total = step.total();
    total.backward();
    if (i == 0) dump_first_step(step, model, dump);
    for (const NamedLoss& loss : step.losses) curves[loss.name].push_back(loss.value.item<float>());
    curves["total"].push_back(total.item<float>());
    optimizer->step(learning_rate(config.solver, i));
    optimizer->zero_grad();
  }
  if (options.steps > 1) {
    for (const auto& [name, values] : curves) dump["losses." + name] = NDArray::from({options.steps}, values);
  }
  save_npz(options.path, dump);
  log_info("trainer", "Wrote {} arrays to {}", dump.size(), options.path);
}

}  // namespace fastermask
