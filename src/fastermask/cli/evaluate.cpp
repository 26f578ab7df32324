// `fastermask evaluate`.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/text.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/config/load.h"
#include "fastermask/data/catalog.h"
#include "fastermask/evaluation/evaluate_detector.h"
#include "fastermask/report/environment.h"
#include "fastermask/report/evaluation_page.h"
#include "fastermask/report/gallery.h"
#include "fastermask/report/html_report.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/model_package.h"

namespace fastermask::cli {
namespace {

struct EvaluateOptions {
  std::string model;
  std::string config_file;
  std::string weights;
  std::string dataset;
  std::string precision;  // empty: f32, or the package's
  std::string output;
  int threads = 0;
  bool json = false;
  bool exact = false;
};

nlohmann::json to_json(const std::vector<TaskMetrics>& tasks) {
  nlohmann::json json = nlohmann::json::object();
  for (const TaskMetrics& task : tasks) {
    nlohmann::json& values = json[task.task] = nlohmann::json::object();
    for (const auto& [name, value] : task.metrics)
      values[name] = std::isnan(value) ? nlohmann::json() : nlohmann::json(value);
  }
  return json;
}

constexpr std::size_t kPicturesEach = 6;  // of the worst images, and of the best

// OUTPUT/report.html of `model`, a file of weights or a package: results, curves, classes, the worst and the best
// pictures, configuration and environment.
void write_evaluate_report(const std::string& path, const std::string& model, const Config& config,
                           const Dataset& dataset, const DetectorEvaluation& evaluation,
                           const RankedGallery& pictures) {
  ReportInput input;
  const std::filesystem::path weights(model), data(dataset.name.substr(0, dataset.name.find(':')));
  input.title = fmt::format("Evaluation of {} on {}", weights.filename().string(), data.filename().string());
  input.config_yaml = dump_config(config);
  input.dataset_rows = {{"data set", dataset.name},
                        {"images", fmt::format("{}", dataset.records.size())},
                        {"classes", join(dataset.class_names, ", ")},
                        {"model", model},
                        {"seconds an image", fmt::format("{:.3f}", evaluation.seconds_per_image)}};
  for (const TaskMetrics& task : evaluation.metrics) {
    for (const auto& [name, value] : task.metrics) {
      // Classes have a table of their own where there is more to say of them.
      if (evaluation.results.empty() || !starts_with(name, "AP-")) input.evaluation[task.task][name] = value;
    }
  }
  for (const CocoEvalResult& result : evaluation.results) add_evaluation_sections(input, result);
  input.environment = environment_facts();
  input.gallery = pictures.pictures();
  write_html_report(path, input);
  log_info("evaluation.testing", "The report is {}", path);
}

int run_evaluate(const CLI::App& command, const EvaluateOptions& options) {
  if (options.model.empty() == options.config_file.empty())
    fail<UsageError>("evaluate: give either --model M.fmm, or --config-file F with --weights W");
  if (!options.model.empty() && (!options.weights.empty() || options.exact))
    fail<UsageError>(
        "evaluate: a model package has its weights and its way of computing in it; leave --weights and "
        "--exact out");
  ModelPackage package;
  if (!options.model.empty()) {
    package = load_model_package(options.model);
    if (!options.precision.empty() && options.precision != to_string(package.precision)) {
      fail<UsageError>(
          "evaluate: {} holds {} weights; leave --precision out, or make another with 'fastermask compile'",
          options.model, to_string(package.precision));
    }
    merge_overrides(package.config, overrides_of(command));
  }
  Config config =
      options.model.empty() ? load_model_config(options.config_file, overrides_of(command)) : package.config;
  if (options.precision == "int8")
    fail<UsageError>("evaluate: --precision must be f32 or bf16 in this version, got {}", options.precision);
  set_num_threads(options.threads);
  if (!options.weights.empty()) config.model.weights = options.weights;
  if (!options.dataset.empty()) config.datasets.test = {options.dataset};
  if (config.datasets.test.empty()) fail<ConfigError>("config: DATASETS.TEST is empty; name a data set with --dataset");
  if (!options.json) set_console_log_to_stdout(true);
  const CompileOptions compile_options{!options.exact,
                                       parse_weight_precision(options.precision.empty() ? "f32" : options.precision)};
  const std::unique_ptr<Detector> detector =
      options.model.empty() ? make_cpu_detector(config, compile_options) : make_package_detector(package);
  nlohmann::json document = nlohmann::json::object();
  bool met = true;
  for (const std::string& name : config.datasets.test) {
    const auto dataset = std::make_shared<const Dataset>(load_dataset(name, dataset_loading(config)));
    EvaluateDetectorOptions run;
    if (!options.output.empty()) {
      run.output_folder = config.datasets.test.size() == 1 ? options.output : join_path(options.output, dataset->name);
    }
    RankedGallery pictures(dataset, run.output_folder.empty() ? 0 : kPicturesEach);
    run.on_image = [&](const ImageRecord& record, const Detections& found) { pictures.add(record, found); };
    const DetectorEvaluation evaluation = evaluate_detector(*detector, dataset, config, run);
    if (!run.output_folder.empty()) {
      write_evaluate_report(join_path(run.output_folder, "report.html"),
                            options.model.empty() ? config.model.weights : options.model, config, *dataset, evaluation,
                            pictures);
    }
    document[name] = to_json(evaluation.metrics);
    document[name]["seconds_per_image"] = evaluation.seconds_per_image;
    for (const std::string& miss : check_expected_results(config, evaluation.metrics)) {
      log_error("evaluation.testing", "{}", miss);
      met = false;
    }
  }
  if (options.json) fmt::print("{}\n", (config.datasets.test.size() == 1 ? document.front() : document).dump(2));
  return met ? 0 : 1;
}

}  // namespace

void add_evaluate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("evaluate", "Run a model on a data set and evaluate the results as COCO does");
  auto options = std::make_shared<EvaluateOptions>();
  command->add_option("--model", options->model, "model package, made by 'fastermask compile'");
  command->add_option("--config-file", options->config_file, "YAML config, instead of --model");
  command->add_option("--weights", options->weights, "weight file; otherwise MODEL.WEIGHTS");
  command->add_option("--dataset", options->dataset,
                      "data set, or ANNOTATIONS.json:IMAGE_FOLDER; otherwise DATASETS.TEST");
  command->add_option("--precision", options->precision, "f32 (default), or bf16: weights rounded to 16 bits")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  command->add_option("--output", options->output, "folder for coco_instances_results.json and report.html");
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--exact", options->exact, "no Winograd convolutions: slower, a fifth of their rounding error");
  command->add_flag("--json", options->json, "print the metrics as one JSON document");
  command->footer(
      "Example: fastermask evaluate --config-file output/config.yaml --weights output/model_final.pth \\\n"
      "           --dataset val.json:images --json");
  accept_overrides(*command);
  command->callback([command, options] {
    const int status = run_evaluate(*command, *options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
