#include "fastermask/training/trainer.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <random>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/catalog.h"
#include "fastermask/training/data_parallel.h"
#include "fastermask/training/debug_dump.h"
#include "fastermask/training/distributed.h"
#include "fastermask/training/frozen_init.h"
#include "fastermask/training/guard.h"
#include "fastermask/training/memory.h"
#include "fastermask/training/process_group.h"
#include "fastermask/training/schedule.h"

namespace fastermask {
namespace {

constexpr int kMostRollbacks = 5;
constexpr int kMostSkippedSteps = 50;  // in a row: a dynamic scale is then far below 1

std::atomic<bool> g_stop_requested{false};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

DatasetFilter training_filter(const Config& config) {
  DatasetFilter filter;
  filter.filter_empty = config.dataloader.filter_empty_annotations;
  filter.loading = dataset_loading(config);
  filter.loading.max_bad_share = config.dataloader.max_bad_share;
  filter.min_keypoints = config.model.keypoint_on ? config.model.roi_keypoint_head.min_keypoints_per_image : 0;
  return filter;
}

void check_classes(const Config& config, const Dataset& dataset) {
  if (config.model.meta_architecture == "ProposalNetwork") return;
  if (dataset.num_classes() == config.model.roi_heads.num_classes) return;
  fail<ConfigError>("config: MODEL.ROI_HEADS.NUM_CLASSES must be {}, the number of categories of {}, got {}",
                    dataset.num_classes(), dataset.name, config.model.roi_heads.num_classes);
}

// "Loss became infinite or NaN at iteration=3!\nloss_dict = {...}", in detectron2's words.
std::string describe_losses(const StepRecord& record) {
  std::vector<std::string> values;
  for (const auto& [name, value] : record.losses) values.push_back(fmt::format("'{}': {}", name, value));
  return fmt::format("Loss became infinite or NaN at iteration={}!\nloss_dict = {{{}}}", record.iteration,
                     join(values, ", "));
}

}  // namespace

Trainer::Trainer(const Config& config, bool resume, bool exact, const std::string& device)
    : config_(config), exact_(exact) {
  if (config.datasets.train.empty()) {
    fail<ConfigError>("config: DATASETS.TRAIN is empty; name a data set or an ANNOTATIONS.json:IMAGE_FOLDER pair");
  }
  seed_ = config.seed >= 0 ? static_cast<std::uint64_t>(config.seed) : std::random_device()();
  seed_ = std::stoull(distributed::from_main("seed", std::to_string(seed_)));
  dataset_ = load_datasets(config.datasets.train, training_filter(config));
  check_classes(config, *dataset_);
  model_ = std::make_unique<TrainableRcnn>(config, seed_);
  model_->set_own_kernels(!exact);
  model_->set_device(device);
  if (distributed::is_main()) check_checkpoint_folder(config.output_dir, *model_);
  optimizer_ = make_optimizer(model_->parameters(), config.solver);
  const PrecisionPlan plan = precision_plan(config);
  if (plan.precision != Precision::f32) {
    scaler_ = std::make_unique<LossScaler>(plan);
    const Precision used = precision_on(device, plan.precision, !exact);
    if (used == Precision::f32) {
      log_warning("engine.defaults", "AMP: {}: computing in float32",
                  exact ? "--exact" : "this processor is not faster in 16 bits");
    } else {
      log_info("engine.defaults", "AMP: computing in {}", precision_name(used));
    }
    model_->set_precision(used);
  }
  std::optional<ResumePoint> point;
  if (config.solver.ema.enabled) ema_ = std::make_unique<ModelEma>(model_->parameters(), config.solver.ema.decay);
  if (resume) point = resume_everywhere(config.output_dir, state());
  if (point) {
    take(*point);
    first_iteration_ = next_iteration_;
  } else {
    load_model_weights(config.model.weights, *model_, {});
    if (config.model.weights.empty()) balance_frozen_norms(*model_);
    if (ema_ != nullptr) ema_->load_state(model_->parameters().state());
  }
  check_ranks_agree();
  if (distributed::world_size() > 1) reducer_ = std::make_unique<GradientReducer>(model_->parameters());
}

Trainer::~Trainer() = default;

// Ranks that read other pictures, or other weights, would train nonsense together.
void Trainer::check_ranks_agree() {
  if (distributed::world_size() == 1) return;
  std::string data = fmt::format("{} {}", dataset_->name, dataset_->records.size());
  for (const ImageRecord& record : dataset_->records) {
    data += fmt::format(";{} {} {} {}", record.id, record.width, record.height, record.annotation_count);
  }
  distributed::check_same("the data set", distributed::hash_text(data),
                          fmt::format("{} of {} pictures", dataset_->name, dataset_->records.size()));
  distributed::check_same("the iteration to begin with", std::to_string(next_iteration_));
  double total = 0;
  for (const StoredParameter& stored : model_->parameters().all())
    total += stored.tensor.detach().to(at::kDouble).abs().sum().item<double>();
  distributed::check_same("the sum of all weights", fmt::format("{:.10g}", total));
}

void Trainer::set_stage(const char* stage) {
  stage_ = stage;
  if (distributed::world_size() > 1) distributed::set_stage(fmt::format("iteration {}: {}", next_iteration_, stage));
}

// SIGTERM may come to some ranks a step earlier than to others.
bool Trainer::all_ranks_stop() const {
  if (distributed::world_size() == 1) return stop_requested();
  std::vector<double> stop = {stop_requested() ? 1.0 : 0.0};
  distributed::maximum(stop);
  return stop[0] > 0;
}

// The weights are those of the last whole step: an update needs the gradients of all ranks. Running statistics of batch
// norms are not, hence such models go on from their last checkpoint.
void Trainer::save_after_loss_of_a_rank() {
  if (!distributed::is_main() || next_iteration_ == first_iteration_) return;
  for (const std::string& norm : {config_.model.resnets.norm, config_.model.fpn.norm}) {
    if (norm != "FrozenBN" && norm.find("BN") != std::string::npos) return;
  }
  save(fmt::format("model_{:07}", next_iteration_ - 1));
}

void Trainer::take(const ResumePoint& point) {
  next_iteration_ = point.next_iteration;
  rate_factor_ = point.rate_factor;
  hook_states_ = point.hooks;
  if (const PickleValue* scaler = point.hooks.find("scaler"); scaler_ != nullptr && scaler != nullptr)
    scaler_->load_state(*scaler);
  if (config_.seed < 0) seed_ = point.seed.value_or(seed_);
}

void Trainer::request_stop() { g_stop_requested = true; }
bool Trainer::stop_requested() { return g_stop_requested; }

void Trainer::save(const std::string& name) {
  if (!distributed::is_main()) return;
  ResumePoint point;
  point.next_iteration = next_iteration_;
  point.seed = seed_;
  point.rate_factor = rate_factor_;
  point.hooks = PickleValue::dict();
  for (const auto& hook : hooks_) {
    if (!hook->state_name().empty()) point.hooks.set(hook->state_name(), hook->save_state());
  }
  if (scaler_ != nullptr) point.hooks.set("scaler", scaler_->state());
  save_checkpoint(config_.output_dir, name, state(), point, config_.solver.checkpoint_keep);
}

void Trainer::train() {
  log_info("engine.train_loop", "Starting training from iteration {}", first_iteration_);
  for (auto& hook : hooks_) {
    if (const PickleValue* kept = hook_states_.find(hook->state_name())) hook->load_state(*kept);
    hook->before_train(*this);
  }
  for (int rollbacks = 0;; ++rollbacks) {
    try {
      train_from_here();
      break;
    } catch (const DivergedError& error) {
      if (config_.solver.non_finite != "rollback" || rollbacks == kMostRollbacks) throw;
      log_error("engine.train_loop", "{}", error.what());
    }
    roll_back();
  }
  for (auto& hook : hooks_) hook->after_train(*this);
  for (auto& hook : hooks_) hook->finish(*this);
}

// The steps from next_iteration_ on.
void Trainer::train_from_here() {
  LoaderOptions options = make_training_loader_options(config_, model_->network().size_divisibility, seed_,
                                                       distributed::rank(), distributed::world_size());
  options.batch_size /= config_.solver.accumulate;
  TrainingLoader loader(dataset_, options, next_iteration_ * config_.solver.accumulate);
  while (!finished()) {
    StepRecord record;
    try {
      if (all_ranks_stop()) break;
      record = run_step(loader);
    } catch (const std::exception& error) {
      if (reducer_ != nullptr) reducer_->abandon();
      const std::string lost = distributed::lost_ranks();
      if (lost.empty()) throw;
      save_after_loss_of_a_rank();
      fail("training: iteration {}: rank {}, in the {}: {}{}", next_iteration_, distributed::rank(), stage_,
           error.what(), lost);
    }
    ++next_iteration_;
    for (auto& hook : hooks_) hook->after_step(*this, record);
  }
}

// Goes back to the last checkpoint, or to the start when there is none, at half the rate.
void Trainer::roll_back() {
  const double factor = rate_factor_ / 2;
  if (const std::optional<ResumePoint> point = resume_from_checkpoint(config_.output_dir, state())) {
    take(*point);
  } else {
    const TrainableRcnn fresh(config_, seed_);
    for (const auto& [name, array] : fresh.parameters().state()) model_->parameters().assign(name, array);
    load_model_weights(config_.model.weights, *model_, {});
    if (config_.model.weights.empty()) balance_frozen_norms(*model_);
    optimizer_ = make_optimizer(model_->parameters(), config_.solver);
    if (ema_ != nullptr) ema_->load_state(model_->parameters().state());
    next_iteration_ = 0;
  }
  rate_factor_ = factor;
  log_warning("engine.train_loop", "Going on from iteration {} with {} times the learning rate of the schedule",
              next_iteration_, rate_factor_);
}

// One step: gradients of one batch, or of several in turn with SOLVER.ACCUMULATE, and an update.
StepRecord Trainer::run_step(TrainingLoader& loader) {
  Batch batch;
  set_stage("loading");
  try {
    return run_step(loader, batch);
  } catch (const std::exception& error) {
    const std::string shortage = memory_shortage(error);
    if (shortage.empty()) throw;
    optimizer_->zero_grad();
    fail(
        "training: iteration {}: out of memory in the {} of a batch of {} pictures, {} x {} pixels: {}. Lower "
        "SOLVER.IMS_PER_BATCH (with SOLVER.ACCUMULATE if the steps should stay the same), INPUT.MIN_SIZE_TRAIN and "
        "INPUT.MAX_SIZE_TRAIN, or MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE. Checkpoints written so far are whole: --resume "
        "goes on from the last",
        next_iteration_, stage_, batch.size(), batch.height, batch.width, shortage);
  }
}

StepRecord Trainer::run_step(TrainingLoader& loader, Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  const distributed::Traffic before = distributed::traffic();
  StepRecord record;
  record.iteration = next_iteration_;
  optimizer_->zero_grad();
  for (int part = 0; part < config_.solver.accumulate; ++part) {
    const auto waiting = std::chrono::steady_clock::now();
    set_stage("loading");
    batch = loader.next();
    pad_to_largest(batch);
    record.data_seconds += seconds_since(waiting);
    compute_gradients(batch, part, record);
  }
  // The slowest rank's, as in the reference's comm.reduce_dict. Nothing waits for other ranks behind the update: one that
  // is lost there would leave weights that are a step ahead of their checkpoint's number.
  if (distributed::world_size() > 1) {
    std::vector<double> slowest = {record.data_seconds};
    distributed::maximum(slowest);
    record.data_seconds = slowest[0];
  }
  const auto updating = std::chrono::steady_clock::now();
  set_stage("optimiser's step");
  record.learning_rate = learning_rate(config_.solver, record.iteration) * rate_factor_;
  if (scaler_ != nullptr) record.loss_scale = scaler_->scale();
  record.skipped = gradients_overflow(batch, record);
  if (!record.skipped) {
    optimizer_->step(record.learning_rate);
    if (ema_ != nullptr) ema_->update();
  }
  record.update_seconds = seconds_since(updating);
  record.step_seconds = seconds_since(start);
  if (reducer_ != nullptr) {
    const distributed::Traffic now = distributed::traffic();
    const GradientReducer::Transfer gradients = reducer_->last_transfer();
    record.communication_seconds = now.seconds - before.seconds + gradients.wait_seconds;
    record.communication_bytes = now.bytes - before.bytes + gradients.bytes;
  }
  return record;
}

// Forward and backward of a batch: adds its gradients to those there are, and its losses to the record.
void Trainer::compute_gradients(const Batch& batch, int part, StepRecord& record) {
  const int parts = config_.solver.accumulate;
  const auto forward = std::chrono::steady_clock::now();
  set_stage("forward pass");
  StepContext context;
  context.iteration = record.iteration * parts + part;
  context.seed = seed_;
  place_in_batch(context);
  std::optional<DebugDump> debug;
  if (config_.debug_mode != 0) debug.emplace(*model_);
  StepLosses step;
  try {
    step = model_->compute_losses(batch, context);
  } catch (const DivergedError& error) {
    report_divergence(batch, context.iteration, error.what());
  }
  at::Tensor total = step.total();
  if (parts > 1) total = total / parts;
  if (part == 0) record.losses.clear();
  const std::vector<double> values = mean_losses(step, total.item<double>());
  for (std::size_t i = 0; i < step.losses.size(); ++i) {
    const double value = values[i] / parts;
    if (part == 0) {
      record.losses.emplace_back(step.losses[i].name, value);
    } else {
      record.losses[i].second += value;
    }
  }
  record.total_loss += values.back();
  for (const auto& [name, value] : step.metrics) record.metrics[name] += value / parts;
  record.forward_seconds += seconds_since(forward);
  if (!std::isfinite(record.total_loss)) report_divergence(batch, context.iteration, describe_losses(record));

  const auto backward = std::chrono::steady_clock::now();
  set_stage("backward pass");
  if (scaler_ != nullptr) total = total * scaler_->scale();
  if (reducer_ != nullptr && part + 1 == parts) reducer_->expect(total);
  total.backward();
  if (reducer_ != nullptr && part + 1 == parts) reducer_->finish();
  if (debug) debug->write(config_.output_dir, context.iteration);
  record.backward_seconds += seconds_since(backward);
}

// Undoes the loss scale. True when the step is to be skipped because gradients went beyond their range with it; without
// mixed precision, or when that goes on and on, such gradients mean that the training has diverged.
bool Trainer::gradients_overflow(const Batch& last_batch, const StepRecord& record) {
  const std::string name = optimizer_->non_finite_gradient();
  if (scaler_ != nullptr) {
    const double scale = scaler_->scale();
    const int skipped = scaler_->update(!name.empty());
    if (name.empty()) {
      optimizer_->scale_gradients(1 / scale);
    } else if (skipped <= kMostSkippedSteps) {
      log_info("engine.train_loop", "Gradients overflowed at iteration={} with a loss scale of {}: the step is skipped",
               record.iteration, scale);
      return true;
    }
  }
  if (name.empty()) return false;
  const int parts = config_.solver.accumulate;
  report_divergence(last_batch, record.iteration * parts + parts - 1,
                    fmt::format("The gradient of {} became infinite or NaN at iteration={}!", name, record.iteration));
}

void Trainer::report_divergence(const Batch& batch, std::int64_t context_iteration, const std::string& what) {
  const RecordedStep step{batch, context_iteration, seed_};
  std::string replay;
  const std::string of_rank = distributed::is_main() ? "" : fmt::format("_rank{}", distributed::rank());
  const std::string path = join_path(config_.output_dir, fmt::format("replay_{:07}{}.pth", next_iteration_, of_rank));
  try {
    save_replay(path, *model_, step);
    replay = fmt::format("\nThe step is in {0}: 'fastermask train --replay {0}' runs it again", path);
  } catch (const Error& error) {
    replay = fmt::format("\nThe step could not be saved: {}", error.what());
  }
  const std::string first = find_non_finite(*model_, step);
  optimizer_->zero_grad();
  fail<DivergedError>(
      "{}\nThe first that is not finite: {}\nimages: {}{}\nThe weights were not updated; a lower "
      "SOLVER.BASE_LR or a longer warm-up (SOLVER.WARMUP_ITERS) often helps",
      what, first.empty() ? "not found again" : first, join(batch.file_names, ", "), replay);
}

}  // namespace fastermask
