#include "fastermask/training/dump_step.h"

#include <utility>
#include <vector>

#include "fastermask/base/log.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/loader.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/data_parallel.h"
#include "fastermask/training/distributed.h"
#include "fastermask/training/process_group.h"
#include "fastermask/training/rcnn.h"
#include "fastermask/training/schedule.h"
#include "fastermask/training/threads.h"
#include "fastermask/weights/npz.h"

namespace fastermask {
namespace {

// The first pictures, with nothing left to chance.
Batch first_batch(const Config& config, int size_divisibility) {
  LoaderOptions options =
      make_training_loader_options(config, size_divisibility, 0, distributed::rank(), distributed::world_size());
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
  Batch batch = loader.next();
  pad_to_largest(batch);
  return batch;
}

NDArray scalar_array(double value) { return NDArray::from({}, std::vector<float>{static_cast<float>(value)}); }

// `losses`: the values of step.losses and their total over all processes.
void dump_first_step(const StepLosses& step, const std::vector<double>& losses, const TrainableRcnn& model,
                     NamedArrays& dump) {
  for (std::size_t i = 0; i < step.losses.size(); ++i) dump["loss." + step.losses[i].name] = scalar_array(losses[i]);
  dump["loss.total"] = scalar_array(losses.back());
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
  model.set_device(options.device);
  load_model_weights(config.model.weights, model, {});
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(model.parameters(), config.solver);
  std::unique_ptr<GradientReducer> reducer;
  if (distributed::world_size() > 1) reducer = std::make_unique<GradientReducer>(model.parameters());
  const Batch batch = first_batch(config, model.network().size_divisibility);
  NamedArrays dump;
  std::map<std::string, std::vector<float>> curves;
  for (int i = 0; i < options.steps; ++i) {
    StepContext context;
    context.iteration = i;
    context.seed = seed;
    context.strategy = options.sampling;
    context.dump = i == 0 ? &dump : nullptr;
    place_in_batch(context);
    const StepLosses step = model.compute_losses(batch, context);
    const at::Tensor total = step.total();
    const std::vector<double> losses = mean_losses(step, total.item<double>());
    if (reducer != nullptr) reducer->expect(total);
    total.backward();
    if (reducer != nullptr) reducer->finish();
    if (i == 0) dump_first_step(step, losses, model, dump);
    for (std::size_t k = 0; k < step.losses.size(); ++k)
      curves[step.losses[k].name].push_back(static_cast<float>(losses[k]));
    curves["total"].push_back(static_cast<float>(losses.back()));
    optimizer->step(learning_rate(config.solver, i));
    optimizer->zero_grad();
  }
  if (options.steps > 1) {
    for (const auto& [name, values] : curves) dump["losses." + name] = NDArray::from({options.steps}, values);
  }
  if (!distributed::is_main()) return;
  for (const StoredParameter& stored : model.parameters().all()) {
    if (stored.info.role == ParameterRole::running_statistic)
      dump["statistic." + stored.info.name] = to_array(stored.tensor);
  }
  save_npz(options.path, dump);
  log_info("trainer", "Wrote {} arrays to {}", dump.size(), options.path);
}

}  // namespace fastermask
