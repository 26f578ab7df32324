// The hook that tells how the training goes: log line, metrics.json, TensorBoard, progress bar, report.html.

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/progress.h"
#include "fastermask/base/text.h"
#include "fastermask/config/load.h"
#include "fastermask/report/console.h"
#include "fastermask/report/event_storage.h"
#include "fastermask/report/html_report.h"
#include "fastermask/report/metrics_json.h"
#include "fastermask/report/tensorboard.h"
#include "fastermask/training/hooks.h"

namespace fastermask {
namespace {

constexpr std::int64_t kWritePeriod = 20;     // iterations between two lines
constexpr std::int64_t kTimerWarmup = 3;      // iterations whose time does not count
constexpr double kReportPeriodSeconds = 30;

double seconds_between(std::chrono::steady_clock::time_point start, std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

class WriterHook : public TrainerHook {
 public:
  explicit WriterHook(std::shared_ptr<EvaluationRecord> last) : metrics_(std::move(last)) {}

  void before_train(Trainer& trainer) override {
    const std::string& folder = trainer.config().output_dir;
    json_ = std::make_unique<MetricsJsonWriter>(join_path(folder, "metrics.json"));
    events_ = std::make_unique<TensorBoardWriter>(folder);
    bar_ = std::make_unique<ProgressBar>("train", trainer.max_iteration());
    start_ = std::chrono::steady_clock::now();
    write_report(trainer, true);
  }

  void after_step(Trainer& trainer, const StepRecord& record) override {
    storage_.begin_iteration(record.iteration);
    storage_.put("data_time", record.data_seconds);
    storage_.put("total_loss", record.total_loss);
    for (const auto& [name, value] : record.losses) storage_.put(name, value);
    for (const auto& [name, value] : record.metrics) storage_.put(name, value);
    storage_.put("lr", record.learning_rate, false);
    step_seconds_ += record.step_seconds;
    if (record.iteration - trainer.first_iteration() >= kTimerWarmup) storage_.put("time", record.step_seconds);
    bar_->update(record.iteration + 1, fmt::format("loss {:.3f}", storage_.history("total_loss")->median(20)));
    const bool last = record.iteration + 1 == trainer.max_iteration();
    if (evaluated_since_last_write()) write_scalars(record.iteration, flattened_metrics());
    if ((record.iteration + 1) % kWritePeriod == 0 || last) write(trainer);
  }

  void after_train(Trainer& trainer) override {
    bar_.reset();
    const std::int64_t steps = trainer.next_iteration() - trainer.first_iteration();
    if (steps > 0 && evaluated_since_last_write()) write_scalars(trainer.next_iteration() - 1, flattened_metrics());
    if (steps > 0) {
      const double total = seconds_between(start_, std::chrono::steady_clock::now());
      log_info("engine.hooks", "Overall training speed: {} iterations in {} ({:.4f} s / it)", steps,
               format_duration(step_seconds_), step_seconds_ / static_cast<double>(steps));
      log_info("engine.hooks", "Total training time: {} ({} on hooks)", format_duration(total),
               format_duration(total - step_seconds_));
    }
    write_report(trainer, false);
    log_info("engine.hooks", "The report is {}", join_path(trainer.config().output_dir, "report.html"));
  }

 private:
  std::map<std::string, double> flattened_metrics() {
    std::map<std::string, double> values;
    for (const auto& [name, value] : flatten_metrics(metrics_->metrics)) values[name] = value;
    return values;
  }

  // True once for every evaluation.
  bool evaluated_since_last_write() { return std::exchange(seen_evaluations_, metrics_->count) != metrics_->count; }

  void write_scalars(std::int64_t iteration, const std::map<std::string, double>& values) {
    json_->write(iteration, values);
    events_->write(iteration, values);
  }

  void write(Trainer& trainer) {
    if (storage_.history("time") != nullptr) {
      storage_.put("eta_seconds", remaining_seconds(storage_, trainer.max_iteration()), false);
    }
    log_info("utils.events", "{}", training_log_line(storage_, trainer.max_iteration()));
    write_scalars(storage_.iteration(), storage_.latest_smoothed());
    const auto now = std::chrono::steady_clock::now();
    if (seconds_between(last_report_, now) >= kReportPeriodSeconds) write_report(trainer, true);
  }

  void write_report(Trainer& trainer, bool running) {
    const std::string& folder = trainer.config().output_dir;
    ReportInput input;
    input.title = fmt::format("Training in {}", folder);
    input.metrics_json_path = join_path(folder, "metrics.json");
    input.config_yaml = dump_config(trainer.config());
    const Dataset& dataset = trainer.dataset();
    input.dataset_rows = {{"training set", dataset.name},
                          {"images", fmt::format("{}", dataset.records.size())},
                          {"classes", join(dataset.class_names, ", ")}};
    for (const TaskMetrics& task : metrics_->metrics) {
      for (const auto& [name, value] : task.metrics) input.evaluation[task.task][name] = value;
    }
    input.training_running = running;
    input.iterations_done = trainer.next_iteration();
    input.iterations_total = trainer.max_iteration();
    write_html_report(join_path(folder, "report.html"), input);
    last_report_ = std::chrono::steady_clock::now();
  }

  std::shared_ptr<EvaluationRecord> metrics_;
  int seen_evaluations_ = 0;
  EventStorage storage_;
  std::unique_ptr<MetricsJsonWriter> json_;
  std::unique_ptr<TensorBoardWriter> events_;
  std::unique_ptr<ProgressBar> bar_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_report_;
  double step_seconds_ = 0;
};

}  // namespace

std::unique_ptr<TrainerHook> make_writer_hook(std::shared_ptr<EvaluationRecord> last) {
  return std::make_unique<WriterHook>(std::move(last));
}

}  // namespace fastermask
