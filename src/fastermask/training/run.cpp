#include "fastermask/training/run.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/folder_lock.h"
#include "fastermask/base/log.h"
#include "fastermask/config/load.h"
#include "fastermask/data/class_list.h"
#include "fastermask/evaluation/evaluate_detector.h"
#include "fastermask/report/environment.h"
#include "fastermask/runtime/supported.h"
#include "fastermask/training/auto_scale.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/guard.h"
#include "fastermask/training/hooks.h"
#include "fastermask/training/memory.h"
#include "fastermask/training/precise_bn.h"
#include "fastermask/training/threads.h"
#include "fastermask/training/trainer.h"

namespace fastermask {
namespace {

constexpr const char* kRun = "engine.defaults";

// Opens the log and keeps the config beside everything else the run writes.
void set_up_output(const Config& config, const TrainingRunOptions& options) {
  make_folders(config.output_dir);
  open_log_file(join_path(config.output_dir, "log.txt"));
  std::string environment;
  for (const auto& [name, value] : environment_facts()) environment += fmt::format("\n  {:<27}{}", name, value);
  log_info(kRun, "Environment info:{}", environment);
  log_info(kRun, "Config file: {}", options.config_file);
  log_info(kRun, "Running with full config:\n{}", dump_config(config));
  const std::string path = join_path(config.output_dir, "config.yaml");
  write_file_atomic(path, dump_config(config));
  log_info(kRun, "Full config saved to {}", path);
}

// SIGINT and SIGTERM ask for a stop; a second one ends the program at once, as if nothing had been set up.
void handle_stop_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { Trainer::request_stop(); };
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// The status for TEST.EXPECTED_RESULTS.
int verify(const Config& config, const std::vector<TaskMetrics>& metrics) {
  const std::vector<std::string> misses = check_expected_results(config, metrics);
  for (const std::string& miss : misses) log_error("evaluation.testing", "{}", miss);
  if (misses.empty() && !config.test.expected_results.empty())
    log_info("evaluation.testing", "Results verification passed.");
  return misses.empty() ? 0 : 1;
}

// How many parameters each part of the model has.
void log_model(const TrainableRcnn& model) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> parts;  // part -> elements, of them trained
  std::int64_t total = 0, trained = 0;
  for (const StoredParameter& stored : model.parameters().all()) {
    if (stored.info.role == ParameterRole::running_statistic) continue;
    const std::string& name = stored.info.name;
    const std::size_t dot = name.find('.');
    auto& [elements, trained_elements] =
        parts[name.substr(0, name.find('.', dot == std::string::npos ? dot : dot + 1))];
    const std::int64_t count = stored.tensor.numel();
    elements += count;
    total += count;
    if (!stored.info.trainable) continue;
    trained_elements += count;
    trained += count;
  }
  std::string table;
  for (const auto& [name, counts] : parts) {
    table += fmt::format("\n  {:<34}{:>12} parameters, {:>12} trained", name, counts.first, counts.second);
  }
  log_info(kRun, "Model:{}\n  {:<34}{:>12} parameters, {:>12} trained", table, "all", total, trained);
}

int evaluate_only(const Config& config, bool exact) {
  if (config.datasets.test.empty()) fail<ConfigError>("config: DATASETS.TEST is empty; nothing to evaluate on");
  TrainableRcnn model(config, 0);
  load_model_weights(config.model.weights, model, {});
  const std::vector<TaskMetrics> metrics = evaluate_model(config, model, nullptr, exact);
  const int status = distributed::is_main() ? verify(config, metrics) : 0;
  return std::stoi(distributed::wait_for_main("evaluation", std::to_string(status)));
}

// Batch norms that learn see only what is on their process.
void warn_of_own_statistics(const Config& config) {
  if (distributed::world_size() == 1 || !distributed::is_main()) return;
  for (const std::string& norm : {config.model.resnets.norm, config.model.fpn.norm, config.model.roi_box_head.norm,
                                  config.model.roi_mask_head.norm}) {
    if (norm != "BN") continue;
    log_warning(
        kRun,
        "Norms of type BN take the statistics of each process's own pictures, not those of the whole batch; SyncBN "
        "takes those of the whole batch");
    return;
  }
}

int train(const Config& config, const TrainingRunOptions& options) {
  Trainer trainer(config, options.resume, options.exact, options.device);
  if (distributed::is_main()) {
    save_class_list(join_path(config.output_dir, "classes.json"),
                    {trainer.dataset().class_names, trainer.dataset().category_ids, trainer.dataset().skeleton});
    log_model(trainer.model());
  }
  const auto metrics = std::make_shared<EvaluationRecord>();
  trainer.add_hook(distributed::is_main() ? make_writer_hook(metrics) : make_speed_hook());
  if (config.test.precise_bn.enabled) trainer.add_hook(make_precise_bn_hook());
  if (distributed::is_main()) trainer.add_hook(make_checkpoint_hook());
  if (std::getenv("PERF_ONLY") == nullptr) {
    trainer.add_hook(make_evaluation_hook(metrics));
  } else {
    log_info(kRun, "PERF_ONLY is set: nothing is evaluated");
  }
  handle_stop_signals();
  trainer.train();
  if (!trainer.finished()) {
    log_info(kRun, "Stopped after iteration {}; the same command with --resume goes on from there",
             trainer.next_iteration() - 1);
    return 0;
  }
  return distributed::is_main() ? verify(config, metrics->metrics) : 0;
}

// What must be the same on all ranks: everything but where a machine keeps its files.
std::string comparable_config(Config config) {
  config.output_dir.clear();
  return dump_config(config);
}

int run_joined(const Config& given, const TrainingRunOptions& options) {
  const std::string text = comparable_config(given);
  distributed::check_same("the version", environment_facts().front().second);
  distributed::check_same("the config", distributed::hash_text(text), text);
  const Config config = scale_for_world_size(given, distributed::world_size());
  warn_of_own_statistics(config);
  std::optional<FolderLock> lock;
  if (!options.eval_only && distributed::is_main()) lock.emplace(config.output_dir, "a training (OUTPUT_DIR)");
  if (distributed::is_main()) {
    set_up_output(config, options);
  } else {
    make_folders(config.output_dir);
    open_log_file(join_path(config.output_dir, fmt::format("log.txt.rank{}", distributed::rank())));
  }
  if (options.device != "cpu") log_info(kRun, "rank {} computes on {}", distributed::rank(), options.device);
  return options.eval_only ? evaluate_only(config, options.exact) : train(config, options);
}

}  // namespace

void join_processes(const RankPlace& place) {
  if (place.world_size > 1) set_console_log_prefix(fmt::format("[rank {}] ", place.rank));
  if (place.rank == 0) set_console_log_prefix("");
  distributed::start(place);
  if (!distributed::is_main()) set_console_log_level(LogLevel::warning);
}

int run_training(const Config& given, const TrainingRunOptions& options) {
  check_training_supported(given);
  keep_freed_memory();
  use_compute_threads();
  join_processes(options.place);
  int status = 0;
  try {
    status = run_joined(given, options);
  } catch (const std::exception& error) {
    distributed::report_failure(error.what());
    throw;
  }
  distributed::stop();
  close_log_file();
  return status;
}

bool replay_training_step(const std::string& path) { return replay_step(path); }

}  // namespace fastermask
