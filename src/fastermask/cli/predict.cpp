// `fastermask predict`.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/progress.h"
#include "fastermask/cli/command.h"
#include "fastermask/cli/input_files.h"
#include "fastermask/cli/model_classes.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/cli/predict_run.h"
#include "fastermask/cli/stop_signal.h"
#include "fastermask/config/load.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/region_settings.h"
#include "fastermask/video/video.h"

namespace fastermask::cli {
namespace {

constexpr const char* kPredict = "predict";
constexpr int kInterrupted = 130;

struct PredictOptions {
  std::vector<std::string> inputs;
  std::string model;
  std::string config_file;
  std::string weights;
  std::string precision;  // empty: f32, or the package's
  int threads = 0;
  bool exact = false;
  PredictRunOptions run;
};

// Works through the files. A bad one is told at the end and does not stop the rest; Ctrl-C ends with what is done.
int run_predict(PredictRun& run, const std::vector<std::string>& files) {
  std::size_t begun = 0;
  {
    ProgressBar bar("predict", static_cast<std::int64_t>(files.size()));
    for (const std::string& file : files) {
      if (stop_was_asked()) break;
      try {
        if (has_video_ending(file)) {
          run.add_video(file);
        } else {
          run.add_picture(file);
        }
      } catch (const Error& error) {
        run.add_failure(error.what());
      }
      bar.update(static_cast<std::int64_t>(++begun));
    }
    run.finish();
  }
  run.log_totals();
  for (const std::string& failure : run.failures()) log_error(kPredict, "{}", failure);
  if (begun < files.size())
    log_error(kPredict, "interrupted: {} of {} files were not begun", files.size() - begun, files.size());
  if (stop_was_asked()) return kInterrupted;
  return run.failures().empty() ? 0 : 1;
}

// Tells inputs from KEY VALUE pairs: keys are upper-case words with a dot, or top-level keys such as OUTPUT_DIR.
std::vector<std::string> split_overrides(std::vector<std::string>& words) {
  const auto is_key = [](const std::string& word) {
    return !word.empty() &&
           std::all_of(
               word.begin(), word.end(),
               [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; }) &&
           !path_exists(word) && (word.find('.') != std::string::npos || word.find('_') != std::string::npos);
  };
  const auto first = std::find_if(words.begin(), words.end(), is_key);
  std::vector<std::string> overrides(first, words.end());
  words.erase(first, words.end());
  return overrides;
}

// Output has the names of its inputs: in their folder, drawings and masks would take the place of pictures.
void check_output_folders(const PredictRunOptions& run, const std::vector<std::string>& files) {
  for (const std::string& folder : {run.output, run.files.masks}) {
    if (folder.empty() || !is_folder(folder)) continue;
    for (const std::string& file : files) {
      const std::filesystem::path parent = std::filesystem::path(file).parent_path();
      std::error_code ignored;
      if (!std::filesystem::equivalent(parent.empty() ? "." : parent, folder, ignored)) continue;
      fail<UsageError>("predict: {} is the folder of {}, which would be written over; give another folder", folder,
                       file);
    }
  }
}

int start_predict(PredictOptions options) {
  const std::vector<std::string> overrides = split_overrides(options.inputs);
  if (options.model.empty() == options.config_file.empty())
    fail<UsageError>("predict: give either --model M.fmm, or --config-file F with --weights W");
  if (!options.model.empty() && (!options.weights.empty() || options.exact))
    fail<UsageError>(
        "predict: a model package has its weights and its way of computing in it; leave --weights and "
        "--exact out");
  if (options.precision == "int8" && options.model.empty())
    fail<UsageError>(
        "predict: int8 needs a package: make one with 'fastermask compile --precision int8', and give it as --model");
  if (options.run.output.empty() && !options.run.json && options.run.dump.empty() && !options.run.files.any()) {
    fail<UsageError>(
        "predict: nothing to do: give --output DIR for drawn pictures, --json for records, or one of --csv, "
        "--labelme, --crops, --masks");
  }
  if (options.inputs.empty()) fail<UsageError>("predict: no INPUT given; name pictures, videos, folders or patterns");
  const std::vector<std::string> files = find_input_files(options.inputs);
  if (!options.run.dump.empty() && (files.size() != 1 || has_video_ending(files[0])))
    fail<UsageError>("predict: --dump takes one picture, got {}", files.size() == 1 ? files[0] : "several files");
  check_output_folders(options.run, files);
  set_num_threads(options.threads);
  Config config;
  if (!options.model.empty()) {
    ModelPackage package = load_model_package(options.model);
    if (!options.precision.empty() && options.precision != to_string(package.precision)) {
      fail<UsageError>("predict: {} holds {} weights; leave --precision out, or make another with 'fastermask compile'",
                       options.model, to_string(package.precision));
    }
    merge_overrides(package.config, overrides);
    if (options.run.dump.empty()) keep_scores_of_at_least(package.config, options.run.score_threshold);
    config = package.config;
    catch_stop_signals();
    PredictRun run(options.run, config, make_package_detector(package), std::move(package.classes));
    return run_predict(run, files);
  }
  config = load_model_config(options.config_file, overrides);
  if (!options.weights.empty()) config.model.weights = options.weights;
  if (options.run.dump.empty()) keep_scores_of_at_least(config, options.run.score_threshold);
  const CompileOptions compile_options{!options.exact,
                                       parse_weight_precision(options.precision.empty() ? "f32" : options.precision)};
  catch_stop_signals();
  PredictRun run(options.run, config, make_cpu_detector(config, compile_options), find_model_classes(config));
  return run_predict(run, files);
}

}  // namespace

void add_predict_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("predict", "Detect objects in pictures and draw them");
  auto options = std::make_shared<PredictOptions>();
  command->add_option("INPUT", options->inputs, "pictures, videos, folders, patterns; then KEY VALUE config overrides");
  command->add_option("--model", options->model, "model package, made by 'fastermask compile'");
  command->add_option("--config-file", options->config_file, "YAML config, instead of --model");
  command->add_option("--weights", options->weights, "weight file; otherwise MODEL.WEIGHTS");
  command->add_option("--output", options->run.output, "folder for the drawn pictures and videos");
  command->add_option("--score-threshold", options->run.score_threshold, "detections below it are left out")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--precision", options->precision, "f32 (default), or bf16: weights rounded to 16 bits; int8 only as --model")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  command->add_option("--batch", options->run.batch, "pictures at a time (0: chosen by their size)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--every", options->run.every, "of videos, take every N-th frame")->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--exact", options->exact, "no Winograd convolutions: slower, a fifth of their rounding error");
  command->add_option("--csv", options->run.files.csv, "write a line an instance to this file");
  command->add_option("--labelme", options->run.files.labelme, "folder for a labelme annotation file a picture");
  command->add_option("--crops", options->run.files.crops, "folder for a picture an instance: what its box holds");
  command->add_option("--masks", options->run.files.masks,
                      "folder for a gray PNG a picture: i where the i-th instance is");
  command->add_flag("--json", options->run.json, "print COCO result records with file_name");
  command->add_option("--dump", options->run.dump, "write the intermediates of one picture to this .npz file");
  command->footer(
      "Example: fastermask predict --config-file output/config.yaml --weights output/model_final.pth \\\n"
      "           pictures/ --output drawn\n"
      "Example: fastermask predict --model model.fmm 'photos/*.jpg' clip.mp4 --json --csv found.csv >found.json\n"
      "Example: fastermask predict --model model.fmm pictures/ --labelme labels --crops crops --masks masks");
  command->callback([options] {
    const int status = start_predict(*options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
