// The hook that tells how the training goes: log line, metrics.json, TensorBoard, progress bar, report.html.

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/progress.h"
#include "fastermask/base/text.h"
#include "fastermask/config/load.h"
#include "fastermask/report/console.h"
#include "fastermask/report/environment.h"
#include "fastermask/report/event_storage.h"
#include "fastermask/report/html_report.h"
#include "fastermask/report/metrics_json.h"
#include "fastermask/report/tensorboard.h"
#include "fastermask/training/distributed.h"
#include "fastermask/training/hooks.h"

namespace fastermask {
namespace {

constexpr std::int64_t kWritePeriod = 20;  // iterations between two lines
constexpr std::int64_t kTimerWarmup = 3;   // iterations whose time does not count
constexpr double kReportPeriodSeconds = 30;

// The lines "step_time = " and "FPS = " are those that the scripts around the Ascend ModelZoo's port look for.
constexpr std::int64_t kIterationsTimed = 2;
constexpr std::int64_t kFpsWarmup = 10;

double seconds_between(std::chrono::steady_clock::time_point start, std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

// Pictures a second over all steps but the first, as the line that scripts look for.
class SpeedLine {
 public:
  void add(const Trainer& trainer, const StepRecord& record) {
    if (record.iteration - trainer.first_iteration() >= kFpsWarmup) seconds_ += record.step_seconds;
  }
  void print(const Trainer& trainer) const {
    const std::int64_t steps = trainer.next_iteration() - trainer.first_iteration() - kFpsWarmup;
    if (steps <= 0) return;
    fmt::print("FPS = {:.3f}\n", static_cast<double>(trainer.config().solver.ims_per_batch * steps) / seconds_);
    std::fflush(stdout);  // whole lines, whatever other processes print
  }

 private:
  double seconds_ = 0;
};

class SpeedHook : public TrainerHook {
 public:
  void after_step(Trainer& trainer, const StepRecord& record) override { line_.add(trainer, record); }
  void finish(Trainer& trainer) override { line_.print(trainer); }

 private:
  SpeedLine line_;
};

class WriterHook : public TrainerHook {
 public:
  explicit WriterHook(std::shared_ptr<EvaluationRecord> last) : metrics_(std::move(last)) {}

  std::string state_name() const override { return "writer"; }

  PickleValue save_state() const override {
    PickleValue state = PickleValue::list();
    for (const EventSnapshot::Series& series : storage_.snapshot().series) {
      PickleValue values = PickleValue::list();
      for (const double value : series.values) values.push_back(PickleValue::real(value));
      state.push_back(
          PickleValue::tuple({PickleValue::string(series.name), PickleValue::boolean(series.smoothed), values}));
    }
    return state;
  }

  void load_state(const PickleValue& state) override {
    EventSnapshot snapshot;
    for (const PickleValue& item : state.items()) {
      EventSnapshot::Series series;
      series.name = item.items().at(0).text();
      series.smoothed = item.items().at(1).as_bool();
      for (const PickleValue& value : item.items().at(2).items()) series.values.push_back(value.as_double());
      snapshot.series.push_back(std::move(series));
    }
    storage_.restore(snapshot);
  }

  void before_train(Trainer& trainer) override {
    const std::string& folder = trainer.config().output_dir;
    json_ = std::make_unique<MetricsJsonWriter>(join_path(folder, "metrics.json"));
    events_ = std::make_unique<TensorBoardWriter>(folder);
    bar_ = std::make_unique<ProgressBar>("train", trainer.max_iteration());
    start_ = std::chrono::steady_clock::now();
    metrics_->evaluated = [this, &trainer] { write_scalars(trainer.next_iteration() - 1, flattened_metrics()); };
    write_report(trainer, true);
  }

  void after_step(Trainer& trainer, const StepRecord& record) override {
    storage_.begin_iteration(record.iteration);
    storage_.put("data_time", record.data_seconds);
    storage_.put("total_loss", record.total_loss);
    for (const auto& [name, value] : record.losses) storage_.put(name, value);
    for (const auto& [name, value] : record.metrics) storage_.put(name, value);
    storage_.put("lr", record.learning_rate, false);
    if (record.loss_scale > 0) storage_.put("grad_scale", record.loss_scale, false);
    storage_.put("forward_time", record.forward_seconds);
    storage_.put("backward_time", record.backward_seconds);
    storage_.put("update_time", record.update_seconds);
    step_seconds_ += record.step_seconds;
    if (record.iteration < kIterationsTimed) fmt::print("step_time = {:.4f}\n", record.step_seconds);
    speed_.add(trainer, record);
    if (distributed::world_size() > 1) {
      storage_.put("communication_time", record.communication_seconds);
      storage_.put("communication_megabytes", static_cast<double>(record.communication_bytes) / 1e6);
    }
    if (record.iteration - trainer.first_iteration() >= kTimerWarmup) storage_.put("time", record.step_seconds);
    bar_->update(record.iteration + 1, fmt::format("loss {:.3f}", storage_.history("total_loss")->median(20)));
    const bool last = record.iteration + 1 == trainer.max_iteration();
    if ((record.iteration + 1) % kWritePeriod == 0 || last) write(trainer);
  }

  void after_train(Trainer&) override { bar_.reset(); }

  void finish(Trainer& trainer) override {
    const std::int64_t steps = trainer.next_iteration() - trainer.first_iteration();
    if (steps > 0) {
      const double total = seconds_between(start_, std::chrono::steady_clock::now());
      log_info("engine.hooks", "Overall training speed: {} iterations in {} ({:.4f} s / it)", steps,
               format_duration(step_seconds_), step_seconds_ / static_cast<double>(steps));
      log_info("engine.hooks", "Total training time: {} ({} on hooks)", format_duration(total),
               format_duration(total - step_seconds_));
    }
    speed_.print(trainer);
    write_report(trainer, false);
  }

 private:
  std::map<std::string, double> flattened_metrics() {
    std::map<std::string, double> values;
    for (const auto& [name, value] : flatten_metrics(metrics_->metrics)) values[name] = value;
    for (const auto& [name, value] : metrics_->validation_losses) values[name] = value;
    return values;
  }

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
    input.environment = environment_;
    input.gallery = metrics_->gallery;
    input.over_time = metrics_->over_time;
    input.training_running = running;
    input.iterations_done = trainer.next_iteration();
    input.iterations_total = trainer.max_iteration();
    last_report_ = std::chrono::steady_clock::now();
    try {
      write_html_report(join_path(folder, "report.html"), input);
    } catch (const Error& error) {
      // A page to look at is not worth a training.
      log_warning("engine.hooks", "The report could not be written: {}", error.what());
      return;
    }
    if (!running) log_info("engine.hooks", "The report is {}", join_path(folder, "report.html"));
  }

  std::shared_ptr<EvaluationRecord> metrics_;
  std::vector<std::pair<std::string, std::string>> environment_ = environment_facts();
  EventStorage storage_;
  std::unique_ptr<MetricsJsonWriter> json_;
  std::unique_ptr<TensorBoardWriter> events_;
  std::unique_ptr<ProgressBar> bar_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_report_;
  double step_seconds_ = 0;
  SpeedLine speed_;
};

}  // namespace

std::unique_ptr<TrainerHook> make_speed_hook() { return std::make_unique<SpeedHook>(); }

std::unique_ptr<TrainerHook> make_writer_hook(std::shared_ptr<EvaluationRecord> last) {
  return std::make_unique<WriterHook>(std::move(last));
}

}  // namespace fastermask
