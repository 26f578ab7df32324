// The training loop. One step is on one page (Trainer::train in trainer.cpp); everything around it is a hook.
// detectron2 engine/train_loop.py.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/loader.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/ema.h"
#include "fastermask/training/optimizer.h"
#include "fastermask/training/precision.h"
#include "fastermask/training/rcnn.h"

namespace fastermask {

// What one iteration was like.
struct StepRecord {
  std::int64_t iteration = 0;
  std::vector<std::pair<std::string, double>> losses;  // in the order of the log line
  double total_loss = 0;
  std::map<std::string, double> metrics;
  double learning_rate = 0;
  double data_seconds = 0;  // waited for the batch
  double forward_seconds = 0;
  double backward_seconds = 0;
  double update_seconds = 0;  // the optimiser's step
  double loss_scale = 0;      // of mixed precision; 0: none
  bool skipped = false;       // no update: gradients beyond 16 bits
  double step_seconds = 0;    // the whole iteration, data included, hooks not
  double communication_seconds = 0;      // of these, waited for other processes
  std::int64_t communication_bytes = 0;  // summed over the processes in this iteration, counted once
};

class GradientReducer;
class Trainer;

// Something that happens around the steps: logging, saving, evaluating. Hooks run in the order they were added.
class TrainerHook {
 public:
  TrainerHook() = default;
  virtual ~TrainerHook() = default;
  TrainerHook(const TrainerHook&) = delete;
  TrainerHook& operator=(const TrainerHook&) = delete;
  virtual void before_train(Trainer&) {}
  virtual void after_step(Trainer&, const StepRecord&) {}
  virtual void after_train(Trainer&) {}
  virtual void finish(Trainer&) {}  // after every hook's after_train()

  // What a checkpoint keeps for the hook, under its name, and taking it back. None by default.
  virtual std::string state_name() const { return ""; }
  virtual PickleValue save_state() const { return {}; }
  virtual void load_state(const PickleValue&) {}
};

class Trainer {
 public:
  // Loads the data sets, makes the model and its weights: those of MODEL.WEIGHTS, or with `resume` those of the last
  // checkpoint in OUTPUT_DIR, if there is one. Throws ConfigError, DataError, WeightsError.
  // `exact` keeps Winograd's convolutions out (TorchGraphExecutor::set_own_kernels).
  // `device` is LibTorch's name of where the network is computed.
  Trainer(const Config& config, bool resume, bool exact = false, const std::string& device = "cpu");
  ~Trainer();

  void add_hook(std::unique_ptr<TrainerHook> hook) { hooks_.push_back(std::move(hook)); }

  // Trains until SOLVER.MAX_ITER or until a stop is requested. When a loss or gradient is not finite, saves the step in
  // OUTPUT_DIR/replay_<iteration>.pth, logs what was wrong first, and throws DivergedError, or with SOLVER.NON_FINITE
  // "rollback" goes on from the last checkpoint at half the rate (five times at most).
  void train();

  // Saves a checkpoint called `name` ("model_0004999", "model_final") of the steps done so far.
  void save(const std::string& name);

  // Ends the training after the current step. Safe to call from a signal handler.
  static void request_stop();
  static bool stop_requested();

  // Ends the training after the current step as if it were the last.
  void finish_early() { finished_early_ = true; }
  // True when no steps are left to do.
  bool finished() const { return finished_early_ || next_iteration_ >= max_iteration(); }

  const Config& config() const { return config_; }
  bool exact() const { return exact_; }
  std::uint64_t seed() const { return seed_; }
  TrainableRcnn& model() { return *model_; }
  ModelEma* ema() { return ema_.get(); }  // null unless SOLVER.EMA.ENABLED
  const Dataset& dataset() const { return *dataset_; }
  std::int64_t first_iteration() const { return first_iteration_; }
  std::int64_t max_iteration() const { return config_.solver.max_iter; }
  // The iteration to do next: after the last step, the number of steps done in all.
  std::int64_t next_iteration() const { return next_iteration_; }

 private:
  void train_from_here();
  bool all_ranks_stop() const;
  void set_stage(const char* stage);
  void save_after_loss_of_a_rank();
  void check_ranks_agree();
  StepRecord run_step(TrainingLoader& loader);
  StepRecord run_step(TrainingLoader& loader, Batch& batch);
  void compute_gradients(const Batch& batch, int part, StepRecord& record);
  bool gradients_overflow(const Batch& last_batch, const StepRecord& record);
  [[noreturn]] void report_divergence(const Batch& batch, std::int64_t context_iteration, const std::string& what);
  void roll_back();
  TrainingState state() { return {model_.get(), optimizer_.get(), ema_.get()}; }
  void take(const ResumePoint& point);

  Config config_;
  bool exact_ = false;
  std::uint64_t seed_ = 0;
  std::shared_ptr<const Dataset> dataset_;
  std::unique_ptr<TrainableRcnn> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<ModelEma> ema_;
  std::vector<std::unique_ptr<TrainerHook>> hooks_;
  const char* stage_ = "";  // of the step being made, for messages
  std::int64_t first_iteration_ = 0;
  std::int64_t next_iteration_ = 0;
  bool finished_early_ = false;
  std::unique_ptr<LossScaler> scaler_;  // null unless the precision is mixed
  double rate_factor_ = 1;              // halved by every rollback
  PickleValue hook_states_;
  std::unique_ptr<GradientReducer> reducer_;  // null for one process
};

}  // namespace fastermask
