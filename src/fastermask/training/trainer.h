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
#include "fastermask/training/rcnn.h"
#include "fastermask/training/sgd.h"

namespace fastermask {

// What one iteration was like.
struct StepRecord {
  std::int64_t iteration = 0;
  std::vector<std::pair<std::string, double>> losses;  // in the order of the log line
  double total_loss = 0;
  std::map<std::string, double> metrics;
  double learning_rate = 0;
  double data_seconds = 0;  // waited for the batch
  double step_seconds = 0;  // the whole iteration, data included, hooks not
};

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
};

class Trainer {
 public:
  // Loads the data sets, makes the model and its weights: those of MODEL.WEIGHTS, or with `resume` those of the last
  // checkpoint in OUTPUT_DIR, if there is one. Throws ConfigError, DataError, WeightsError.
  Trainer(const Config& config, bool resume);

  void add_hook(std::unique_ptr<TrainerHook> hook) { hooks_.push_back(std::move(hook)); }

  // Trains until SOLVER.MAX_ITER or until a stop is requested. Throws Error when a loss is not finite.
  void train();

  // Ends the training after the current step. Safe to call from a signal handler.
  static void request_stop();
  static bool stop_requested();

  const Config& config() const { return config_; }
  std::uint64_t seed() const { return seed_; }
  TrainableRcnn& model() { return *model_; }
  const Sgd& optimizer() const { return *optimizer_; }
  const Dataset& dataset() const { return *dataset_; }
  std::int64_t first_iteration() const { return first_iteration_; }
  std::int64_t max_iteration() const { return config_.solver.max_iter; }
  // The iteration to do next: after the last step, the number of steps done in all.
  std::int64_t next_iteration() const { return next_iteration_; }

 private:
  StepRecord run_step(TrainingLoader& loader);

  Config config_;
  std::uint64_t seed_ = 0;
  std::shared_ptr<const Dataset> dataset_;
  std::unique_ptr<TrainableRcnn> model_;
  std::unique_ptr<Sgd> optimizer_;
  std::vector<std::unique_ptr<TrainerHook>> hooks_;
  std::int64_t first_iteration_ = 0;
  std::int64_t next_iteration_ = 0;
};

}  // namespace fastermask
