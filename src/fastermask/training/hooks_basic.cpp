// Hooks that save and evaluate.

#include <fmt/format.h>

#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/data/catalog.h"
#include "fastermask/evaluation/evaluate_detector.h"
#include "fastermask/report/gallery.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/hooks.h"
#include "fastermask/training/inference_executor.h"

namespace fastermask {
namespace {

constexpr std::size_t kGalleryPictures = 12;

class CheckpointHook : public TrainerHook {
 public:
  void after_step(Trainer& trainer, const StepRecord& record) override {
    if ((record.iteration + 1) % trainer.config().solver.checkpoint_period != 0) return;
    if (record.iteration + 1 == trainer.max_iteration()) return;  // model_final follows
    try {
      trainer.save(fmt::format("model_{:07}", record.iteration));
    } catch (const Error& error) {
      // A full disk may have room again later; the checkpoints there are stay as they are.
      log_error("checkpoint", "{}", error.what());
      log_error("checkpoint", "This checkpoint was not saved; training goes on and tries again at the next");
    }
  }

  void after_train(Trainer& trainer) override {
    if (trainer.next_iteration() == trainer.first_iteration()) return;  // nothing was trained
    const bool finished = trainer.next_iteration() >= trainer.max_iteration();
    trainer.save(finished ? "model_final" : fmt::format("model_{:07}", trainer.next_iteration() - 1));
    if (finished && trainer.ema() != nullptr) {
      save_averaged_model(join_path(trainer.config().output_dir, "model_final_ema.pth"), *trainer.ema());
    }
  }
};

class EvaluationHook : public TrainerHook {
 public:
  explicit EvaluationHook(std::shared_ptr<EvaluationRecord> last) : last_(std::move(last)) {}

  void after_step(Trainer& trainer, const StepRecord& record) override {
    const int period = trainer.config().test.eval_period;
    if (period == 0 || (record.iteration + 1) % period != 0) return;
    if (record.iteration + 1 == trainer.max_iteration()) return;  // after_train() evaluates
    evaluate(trainer);
  }

  void after_train(Trainer& trainer) override {
    if (trainer.next_iteration() < trainer.max_iteration()) return;  // stopped early
    evaluate(trainer);
  }

 private:
  void evaluate(Trainer& trainer) {
    const EmaScope averaged(trainer.ema());
    last_->metrics = evaluate_model(trainer.config(), trainer.model(), &last_->gallery);
    if (last_->evaluated) last_->evaluated();
  }

  std::shared_ptr<EvaluationRecord> last_;
};

}  // namespace

std::vector<TaskMetrics> evaluate_model(const Config& config, const TrainableRcnn& model,
                                        std::vector<ReportPicture>* gallery) {
  std::vector<TaskMetrics> all;
  Detector detector(std::make_shared<TorchNetworkExecutor>(model.network(), model.parameters()), config);
  for (const std::string& name : config.datasets.test) {
    const auto dataset = std::make_shared<const Dataset>(load_dataset(name));
    EvaluateDetectorOptions options;
    options.output_folder = join_path(config.output_dir, "inference");
    if (config.datasets.test.size() > 1) options.output_folder = join_path(options.output_folder, fmt::format("{}", all.size()));
    Gallery pictures(dataset, gallery != nullptr && all.empty() ? kGalleryPictures : 0);
    options.on_image = [&](const ImageRecord& record, const Detections& found) { pictures.add(record, found); };
    const DetectorEvaluation evaluation = evaluate_detector(detector, dataset, config, options);
    if (gallery != nullptr && all.empty()) *gallery = pictures.pictures();
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
