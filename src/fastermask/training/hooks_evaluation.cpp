// The hook that evaluates.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/catalog.h"
#include "fastermask/evaluation/evaluate_detector.h"
#include "fastermask/report/gallery.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/distributed.h"
#include "fastermask/training/hooks.h"

namespace fastermask {
namespace {

constexpr std::size_t kGalleryPictures = 6;  // of the worst images, and of the best
constexpr std::size_t kPicturesOverTime = 2;
constexpr std::size_t kEvaluationsShown = 8;  // of those pictures; the report stays one file of a few megabytes
constexpr const char* kEvaluation = "engine.hooks";

// Averages of the training's losses over the pictures of DATASETS.TEST, one at a time, resized but not augmented, with
// the same random samples every time.
std::map<std::string, double> validation_losses(const Config& config, TrainableRcnn& model) {
  Config unchanging = config;
  unchanging.input.min_size_train = {config.input.min_size_test};
  unchanging.input.max_size_train = config.input.max_size_test;
  unchanging.input.random_flip = "none";
  unchanging.input.crop.enabled = false;
  unchanging.solver.ims_per_batch = 1;
  LoaderOptions options = make_training_loader_options(unchanging, model.network().size_divisibility, 0);
  options.shuffle = false;
  options.aspect_grouping = false;
  options.repeat_threshold = 0;
  DatasetFilter filter;
  filter.filter_empty = true;
  filter.loading = dataset_loading(config);
  const auto dataset = load_datasets(config.datasets.test, filter);
  TrainingLoader loader(dataset, options);
  const at::NoGradGuard no_grad;
  std::map<std::string, double> sums;
  const std::size_t count = dataset->records.size();
  for (std::size_t i = 0; i < count; ++i) {
    StepContext context;
    context.iteration = static_cast<std::int64_t>(i);
    context.validation = true;
    const StepLosses step = model.compute_losses(loader.next(), context);
    for (const NamedLoss& loss : step.losses) sums["validation_" + loss.name] += loss.value.item<double>();
    sums["validation_loss"] += step.total().item<double>();
  }
  for (auto& [name, sum] : sums) sum /= static_cast<double>(std::max<std::size_t>(count, 1));
  return sums;
}

class EvaluationHook : public TrainerHook {
 public:
  explicit EvaluationHook(std::shared_ptr<EvaluationRecord> last) : last_(std::move(last)) {}

  std::string state_name() const override { return "evaluation"; }

  PickleValue save_state() const override {
    PickleValue state = PickleValue::dict();
    state.set("best", std::isfinite(best_) ? PickleValue::real(best_) : PickleValue());
    state.set("without_gain", PickleValue::integer(without_gain_));
    state.set("evaluated_at", PickleValue::integer(evaluated_at_));
    return state;
  }

  void load_state(const PickleValue& state) override {
    if (const PickleValue& best = state.at("best"); !best.is_none()) best_ = best.as_double();
    without_gain_ = static_cast<int>(state.at("without_gain").as_int());
    evaluated_at_ = state.at("evaluated_at").as_int();
  }

  // Makes up for an evaluation that was due when the run was cut off right after its checkpoint.
  void before_train(Trainer& trainer) override {
    const int period = trainer.config().test.eval_period;
    if (trainer.first_iteration() == 0 || period == 0 || trainer.first_iteration() % period != 0 || trainer.finished())
      return;
    if (evaluated_at_ != trainer.first_iteration()) evaluate(trainer);
  }

  void after_step(Trainer& trainer, const StepRecord& record) override {
    const int period = trainer.config().test.eval_period;
    if (period == 0 || (record.iteration + 1) % period != 0) return;
    if (record.iteration + 1 == trainer.max_iteration()) return;  // after_train() evaluates
    evaluate(trainer);
  }

  void after_train(Trainer& trainer) override {
    if (trainer.finished() && evaluated_at_ != trainer.next_iteration()) evaluate(trainer);
  }

 private:
  // Each rank looks at its share of the pictures; rank 0 evaluates what all have found. The others wait for it, and end
  // when it ends.
  void evaluate(Trainer& trainer) {
    distributed::set_stage(fmt::format("evaluation after {} iterations", trainer.next_iteration()));
    if (distributed::is_main()) {
      evaluate_here(trainer);
    } else {
      const EmaScope averaged(trainer.ema());
      evaluate_model(trainer.config(), trainer.model(), nullptr, trainer.exact());
    }
    evaluated_at_ = trainer.next_iteration();
    const bool ended = trainer.finished() && trainer.next_iteration() < trainer.max_iteration();
    if (distributed::wait_for_main("evaluation", ended ? "end" : "go on") == "end") trainer.finish_early();
  }

  void evaluate_here(Trainer& trainer) {
    const EmaScope averaged(trainer.ema());
    last_->metrics = evaluate_model(trainer.config(), trainer.model(), last_.get(), trainer.exact());
    if (trainer.config().test.validation_loss) {
      last_->validation_losses = validation_losses(trainer.config(), trainer.model());
      for (const auto& [name, value] : last_->validation_losses) log_info(kEvaluation, "{}: {:.4f}", name, value);
    }
    evaluated_at_ = trainer.next_iteration();
    keep_pictures();
    if (last_->evaluated) last_->evaluated();
    if (trainer.config().test.eval_period > 0 && !last_->metrics.empty()) keep_best(trainer);
  }

  // The first pictures of this evaluation beside those of earlier ones; when there are too many, every second of the
  // earlier goes, but never the first.
  void keep_pictures() {
    std::vector<ReportPicture>& shown = last_->over_time;
    const std::size_t each = last_->fixed.size();
    if (each == 0) return;
    if (shown.size() >= kEvaluationsShown * each) {
      std::vector<ReportPicture> kept;
      for (std::size_t i = 0; i < shown.size(); ++i) {
        if (i / each % 2 == 0) kept.push_back(std::move(shown[i]));
      }
      shown = std::move(kept);
    }
    for (std::size_t i = 0; i < each; ++i) {
      const ReportPicture& picture = last_->fixed[i];
      shown.push_back({fmt::format("after {} iterations: {}", evaluated_at_, picture.caption), picture.bytes});
    }
  }

  // The metric to be made high: TEST.BEST_METRIC's value in the newest evaluation.
  double score(const Config& config) const {
    std::string name = config.test.best_metric;
    if (name.empty()) name = last_->metrics.back().task + "/AP";
    const double sign = starts_with(name, "-") ? -1 : 1;
    if (sign < 0) name.erase(0, 1);
    std::map<std::string, double> values = last_->validation_losses;
    for (const auto& [key, value] : flatten_metrics(last_->metrics)) values[key] = value;
    const auto found = values.find(name);
    if (found == values.end()) {
      std::vector<std::string> names;
      for (const auto& [key, value] : values) names.push_back(key);
      fail<ConfigError>("config: TEST.BEST_METRIC: the evaluation has no '{}'{}", name, did_you_mean(name, names));
    }
    return sign * found->second;
  }

  void keep_best(Trainer& trainer) {
    const Config& config = trainer.config();
    const double now = score(config);
    if (now > best_ || (std::isfinite(now) && !std::isfinite(best_))) {
      best_ = now;
      without_gain_ = 0;
      const std::string path = join_path(config.output_dir, "model_best.pth");
      log_info(kEvaluation, "The best evaluation so far ({:.4f}): saving its weights to {}", std::abs(best_), path);
      save_weights(path, trainer.model().parameters().state());
      return;
    }
    ++without_gain_;
    if (config.test.early_stop == 0 || without_gain_ < config.test.early_stop) return;
    log_info(kEvaluation, "{} evaluations without a gain over {:.4f}: ending the training (TEST.EARLY_STOP)",
             without_gain_, std::abs(best_));
    trainer.finish_early();
  }

  std::shared_ptr<EvaluationRecord> last_;
  double best_ = -HUGE_VAL;
  int without_gain_ = 0;
  std::int64_t evaluated_at_ = -1;
};

}  // namespace

std::vector<TaskMetrics> evaluate_model(const Config& config, const TrainableRcnn& model,
                                        EvaluationRecord* pictures, bool exact) {
  std::vector<TaskMetrics> all;
  const CompiledWeights weights = compile_weights(model.network(), model.parameters().state(), {!exact});
  Detector detector(std::make_shared<CpuExecutor>(build_network(config), weights), config);
  for (const std::string& name : config.datasets.test) {
    const auto dataset = std::make_shared<const Dataset>(load_dataset(name, dataset_loading(config)));
    EvaluateDetectorOptions options;
    options.share = {distributed::rank(), distributed::world_size(), nullptr};
    if (distributed::world_size() > 1) {
      options.share.gather = [](const std::vector<std::string>& pieces, const auto& take) {
        distributed::gather("detections", pieces, take);
      };
    }
    options.output_folder = join_path(config.output_dir, "inference");
    if (config.datasets.test.size() > 1)
      options.output_folder = join_path(options.output_folder, fmt::format("{}", all.size()));
    const bool drawn = pictures != nullptr && all.empty();
    RankedGallery ranked(dataset, drawn ? kGalleryPictures : 0);
    Gallery fixed(dataset, drawn ? kPicturesOverTime : 0);
    options.on_image = [&](const ImageRecord& record, const Detections& found) {
      ranked.add(record, found);
      fixed.add(record, found);
    };
    const DetectorEvaluation evaluation = evaluate_detector(detector, dataset, config, options);
    if (drawn) {
      pictures->gallery = ranked.pictures();
      pictures->fixed = fixed.pictures();
    }
    for (TaskMetrics metrics : evaluation.metrics) {
      if (config.datasets.test.size() > 1) metrics.task = name + "/" + metrics.task;
      all.push_back(std::move(metrics));
    }
  }
  return all;
}

std::unique_ptr<TrainerHook> make_evaluation_hook(std::shared_ptr<EvaluationRecord> last) {
  return std::make_unique<EvaluationHook>(std::move(last));
}

}  // namespace fastermask
