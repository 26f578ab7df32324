#include "fastermask/training/trainer.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <random>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/catalog.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/schedule.h"

namespace fastermask {
namespace {

std::atomic<bool> g_stop_requested{false};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

DatasetFilter training_filter(const Config& config) {
  DatasetFilter filter;
  filter.filter_empty = config.dataloader.filter_empty_annotations;
  filter.min_keypoints = config.model.keypoint_on ? config.model.roi_keypoint_head.min_keypoints_per_image : 0;
  return filter;
}

void check_classes(const Config& config, const Dataset& dataset) {
  if (config.model.meta_architecture == "ProposalNetwork") return;
  if (dataset.num_classes() == config.model.roi_heads.num_classes) return;
  fail<ConfigError>("config: MODEL.ROI_HEADS.NUM_CLASSES must be {}, the number of categories of {}, got {}",
                    dataset.num_classes(), dataset.name, config.model.roi_heads.num_classes);
}

// Throws when the total loss is not finite, naming the losses and the pictures.
void require_finite(const StepRecord& record, const Batch& batch) {
  if (std::isfinite(record.total_loss)) return;
  std::vector<std::string> values;
  for (const auto& [name, value] : record.losses) values.push_back(fmt::format("'{}': {}", name, value));
  fail("Loss became infinite or NaN at iteration={}!\nloss_dict = {{{}}}\nimages: {}\nThe weights were not updated; a "
       "lower SOLVER.BASE_LR or a longer warm-up (SOLVER.WARMUP_ITERS) often helps",
       record.iteration, join(values, ", "), join(batch.file_names, ", "));
}

}  // namespace

Trainer::Trainer(const Config& config, bool resume) : config_(config) {
  if (config.datasets.train.empty()) {
    fail<ConfigError>("config: DATASETS.TRAIN is empty; name a data set or an ANNOTATIONS.json:IMAGE_FOLDER pair");
  }
  seed_ = config.seed >= 0 ? static_cast<std::uint64_t>(config.seed) : std::random_device()();
  dataset_ = load_datasets(config.datasets.train, training_filter(config));
  check_classes(config, *dataset_);
  model_ = std::make_unique<TrainableRcnn>(config, seed_);
  optimizer_ = std::make_unique<Sgd>(model_->parameters(), config.solver);
  std::optional<ResumePoint> point;
  if (resume) point = resume_from_checkpoint(config.output_dir, *model_, *optimizer_);
  if (point) {
    first_iteration_ = point->next_iteration;
    if (config.seed < 0) seed_ = point->seed.value_or(seed_);
  } else {
    load_model_weights(config.model.weights, *model_, {});
  }
  next_iteration_ = first_iteration_;
}

void Trainer::request_stop() { g_stop_requested = true; }
bool Trainer::stop_requested() { return g_stop_requested; }

void Trainer::train() {
  log_info("engine.train_loop", "Starting training from iteration {}", first_iteration_);
  const LoaderOptions options = make_training_loader_options(config_, model_->network().size_divisibility, seed_);
  TrainingLoader loader(dataset_, options, first_iteration_);
  for (auto& hook : hooks_) hook->before_train(*this);
  while (next_iteration_ < max_iteration() && !stop_requested()) {
    const StepRecord record = run_step(loader);
    ++next_iteration_;
    for (auto& hook : hooks_) hook->after_step(*this, record);
  }
  for (auto& hook : hooks_) hook->after_train(*this);
}

// One step of SGD: batch, losses, gradients, update.
StepRecord Trainer::run_step(TrainingLoader& loader) {
  const auto start = std::chrono::steady_clock::now();
  StepRecord record;
  record.iteration = next_iteration_;
  const Batch batch = loader.next();
  record.data_seconds = seconds_since(start);

  StepContext context;
  context.iteration = record.iteration;
  context.seed = seed_;
  const StepLosses step = model_->compute_losses(batch, context);
  const at::Tensor total = step.total();
  for (const NamedLoss& loss : step.losses) record.losses.emplace_back(loss.name, loss.value.item<double>());
  record.total_loss = total.item<double>();
  record.metrics = step.metrics;
  require_finite(record, batch);

  optimizer_->zero_grad();
  total.backward();
  record.learning_rate = learning_rate(config_.solver, record.iteration);
  optimizer_->step(record.learning_rate);
  record.step_seconds = seconds_since(start);
  return record;
}

}  // namespace fastermask
