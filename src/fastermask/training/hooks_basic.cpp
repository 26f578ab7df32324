// Hooks that save and evaluate.

#include <fmt/format.h>

#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/catalog.h"
#include "fastermask/evaluation/evaluate_detector.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/hooks.h"
#include "fastermask/training/inference_executor.h"

namespace fastermask {
namespace {

class CheckpointHook : public TrainerHook {
 public:
  void after_step(Trainer& trainer, const StepRecord& record) override {
    if ((record.iteration + 1) % trainer.config().solver.checkpoint_period != 0) return;
    if (record.iteration + 1 == trainer.max_iteration()) return;  // model_final follows
    save(trainer, fmt::format("model_{:07}", record.iteration));
  }

  void after_train(Trainer& trainer) override {
    if (trainer.next_iteration() == trainer.first_iteration()) return;  // nothing was trained
    const bool finished = trainer.next_iteration() >= trainer.max_iteration();
    save(trainer, finished ? "model_final" : fmt::format("model_{:07}", trainer.next_iteration() - 1));
  }

 private:
  static void save(Trainer& trainer, const std::string& name) {
    save_checkpoint(trainer.config().output_dir, name, trainer.next_iteration() - 1, trainer.seed(), trainer.model(),
                    trainer.optimizer());
  }
};

class EvaluationHook : public TrainerHook {
 public:
  explicit EvaluationHook(std::shared_ptr<EvaluationRecord> last) : last_(std::move(last)) {}

  void after_step(Trainer& trainer, const StepRecord& record) override {
    const int period = trainer.config().test.eval_period;
    if (period == 0 || (record.iteration + 1) % period != 0) return;
    if (record.iteration + 1 == trainer.max_iteration()) return;  // after_train() evaluates
    last_->metrics = evaluate_model(trainer.config(), trainer.model());
    ++last_->count;
  }

  void after_train(Trainer& trainer) override {
    if (trainer.next_iteration() < trainer.max_iteration()) return;  // stopped early
    last_->metrics = evaluate_model(trainer.config(), trainer.model());
    ++last_->count;
  }

 private:
  std::shared_ptr<EvaluationRecord> last_;
};

}  // namespace

std::vector<TaskMetrics> evaluate_model(const Config& config, const TrainableRcnn& model) {
  std::vector<TaskMetrics> all;
  Detector detector(std::make_shared<TorchNetworkExecutor>(model.network(), model.parameters()), config);
  for (const std::string& name : config.datasets.test) {
    const auto dataset = std::make_shared<const Dataset>(load_dataset(name));
    EvaluateDetectorOptions options;
    options.output_folder = join_path(config.output_dir, "inference");
    if (config.datasets.test.size() > 1) options.output_folder = join_path(options.output_folder, fmt::format("{}", all.size()));
    const DetectorEvaluation evaluation = evaluate_detector(detector, dataset, config, options);
    for (TaskMetrics metrics : evaluation.metrics) {
      if (config.datasets.test.size() > 1) metrics.task = name + "/" + metrics.task;
      all.push_back(std::move(metrics));
    }
  }
  return all;
}

std::unique_ptr<TrainerHook> make_checkpoint_hook() { return std::make_unique<CheckpointHook>(); }

std::unique_ptr<TrainerHook> make_evaluation_hook(std::shared_ptr<EvaluationRecord> last) {
  return std::make_unique<EvaluationHook>(std::move(last));
}

}  // namespace fastermask
