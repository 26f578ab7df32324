// `fastermask evaluate`.
#include <fmt/format.h>

#include <algorithm>
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
#include "fastermask/cli/int8.h"
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
  std::string precision;  // one or several with commas between them; empty: f32, or the package's
  std::string output;
  int threads = 0;
  bool json = false;
  bool exact = false;
  Int8Options int8;
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

// What is wrong with --precision; "": nothing.
std::string check_precisions(const std::string& words) {
  std::vector<std::string> seen;
  for (const std::string& word : split(words, ',')) {
    if (word != "f32" && word != "bf16" && word != "int8") return fmt::format("'{}' is none of f32, bf16, int8", word);
    if (std::count(seen.begin(), seen.end(), word) > 0) return fmt::format("{} stands there twice", word);
    seen.push_back(word);
  }
  return "";
}

// What one model found on the data sets of DATASETS.TEST.
struct ModelResults {
  nlohmann::json document = nlohmann::json::object();  // by data set
  bool met = true;                                     // TEST.EXPECTED_RESULTS
};

// `folder`: for results and the report; "": none.
ModelResults evaluate_model(Detector& detector, const std::string& model, const Config& config,
                            const std::string& folder) {
  ModelResults results;
  for (const std::string& name : config.datasets.test) {
    const auto dataset = std::make_shared<const Dataset>(load_dataset(name, dataset_loading(config)));
    EvaluateDetectorOptions run;
    if (!folder.empty())
      run.output_folder = config.datasets.test.size() == 1 ? folder : join_path(folder, dataset->name);
    RankedGallery pictures(dataset, run.output_folder.empty() ? 0 : kPicturesEach);
    run.on_image = [&](const ImageRecord& record, const Detections& found) { pictures.add(record, found); };
    const DetectorEvaluation evaluation = evaluate_detector(detector, dataset, config, run);
    if (!run.output_folder.empty()) {
      write_evaluate_report(join_path(run.output_folder, "report.html"), model, config, *dataset, evaluation,
                            pictures);
    }
    results.document[name] = to_json(evaluation.metrics);
    results.document[name]["seconds_per_image"] = evaluation.seconds_per_image;
    for (const std::string& miss : check_expected_results(config, evaluation.metrics)) {
      log_error("evaluation.testing", "{}", miss);
      results.met = false;
    }
  }
  return results;
}

// AP of each precision side by side, and the time an image takes.
void print_side_by_side(const std::vector<std::string>& precisions, const nlohmann::json& document) {
  const nlohmann::json& first = document.at(precisions.front());
  for (const auto& [dataset, tasks] : first.items()) {
    fmt::print("{}\n{:<22}", dataset, "");
    for (const std::string& precision : precisions) fmt::print("{:>10}", precision);
    for (const auto& [task, metrics] : tasks.items()) {
      if (!metrics.is_object()) continue;
      for (const char* name : {"AP", "AP50", "AP75", "APs", "APm", "APl"}) {
        if (!metrics.contains(name)) continue;
        fmt::print("\n{:<22}", task + " " + name);
        for (const std::string& precision : precisions) {
          const nlohmann::json& value = document[precision][dataset][task][name];
          fmt::print("{:>10}", value.is_null() ? "-" : fmt::format("{:.3f}", value.get<double>()));
        }
      }
    }
    fmt::print("\n{:<22}", "seconds an image");
    for (const std::string& precision : precisions)
      fmt::print("{:>10.3f}", document[precision][dataset]["seconds_per_image"].get<double>());
    fmt::print("\n");
  }
}

std::unique_ptr<Detector> make_detector(const Config& config, const std::string& precision,
                                        const EvaluateOptions& options) {
  const WeightPrecision weights = parse_weight_precision(precision);
  if (weights == WeightPrecision::int8)
    return make_integer_detector(config, make_integer_network(config, options.int8, !options.exact));
  return make_cpu_detector(config, {!options.exact, weights});
}

// The data sets' results; with one data set, its alone.
nlohmann::json shortened(const nlohmann::json& document) { return document.size() == 1 ? document.front() : document; }

int run_evaluate(const CLI::App& command, const EvaluateOptions& options) {
  if (options.model.empty() == options.config_file.empty())
    fail<UsageError>("evaluate: give either --model M.fmm, or --config-file F with --weights W");
  if (!options.model.empty() && (!options.weights.empty() || options.exact))
    fail<UsageError>(
        "evaluate: a model package has its weights and its way of computing in it; leave --weights and "
        "--exact out");
  std::vector<std::string> precisions;
  if (!options.precision.empty()) precisions = split(options.precision, ',');
  ModelPackage package;
  if (!options.model.empty()) {
    package = load_model_package(options.model);
    const std::string own = to_string(package.precision);
    if (!precisions.empty() && precisions != std::vector<std::string>{own}) {
      fail<UsageError>(
          "evaluate: {} holds {} weights; leave --precision out, or make another with 'fastermask compile'",
          options.model, own);
    }
    merge_overrides(package.config, overrides_of(command));
  } else if (precisions.empty()) {
    precisions = {"f32"};
  }
  check_int8_options("evaluate", options.int8,
                     options.model.empty() && std::count(precisions.begin(), precisions.end(), "int8") > 0);
  Config config =
      options.model.empty() ? load_model_config(options.config_file, overrides_of(command)) : package.config;
  set_num_threads(options.threads);
  if (!options.weights.empty()) config.model.weights = options.weights;
  if (!options.dataset.empty()) config.datasets.test = {options.dataset};
  if (config.datasets.test.empty()) fail<ConfigError>("config: DATASETS.TEST is empty; name a data set with --dataset");
  if (!options.json) set_console_log_to_stdout(true);
  bool met = true;
  nlohmann::json document = nlohmann::json::object();
  if (!options.model.empty() || precisions.size() == 1) {
    const std::unique_ptr<Detector> detector =
        options.model.empty() ? make_detector(config, precisions.front(), options) : make_package_detector(package);
    const ModelResults results = evaluate_model(
        *detector, options.model.empty() ? config.model.weights : options.model, config, options.output);
    document = shortened(results.document);
    met = results.met;
  } else {
    nlohmann::json by_precision = nlohmann::json::object();
    for (const std::string& precision : precisions) {
      log_info("evaluation.testing", "Precision {}", precision);
      const std::unique_ptr<Detector> detector = make_detector(config, precision, options);
      const ModelResults results =
          evaluate_model(*detector, config.model.weights + ", " + precision, config,
                         options.output.empty() ? "" : join_path(options.output, precision));
      by_precision[precision] = results.document;
      document[precision] = shortened(results.document);
      met = met && results.met;
    }
    if (!options.json) print_side_by_side(precisions, by_precision);
  }
  if (options.json) fmt::print("{}\n", document.dump(2));
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
  command
      ->add_option("--precision", options->precision,
                   "f32 (default); bf16: weights rounded to 16 bits; int8; or several, such as f32,int8, side by side")
      ->check(check_precisions);
  add_int8_options(*command, options->int8);
  command->add_option("--output", options->output, "folder for coco_instances_results.json and report.html");
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--exact", options->exact, "no Winograd convolutions: slower, a fifth of their rounding error");
  command->add_flag("--json", options->json, "print the metrics as one JSON document");
  command->footer(
      "Example: fastermask evaluate --config-file output/config.yaml --weights output/model_final.pth \\\n"
      "           --dataset val.json:images --json\n"
      "         fastermask evaluate --config-file output/config.yaml --weights output/model_final.pth \\\n"
      "           --precision f32,bf16,int8 --calibration train_pictures/");
  accept_overrides(*command);
  command->callback([command, options] {
    const int status = run_evaluate(*command, *options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
