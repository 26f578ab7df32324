// `fastermask predict`.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
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
#include "fastermask/cli/predict_files.h"
#include "fastermask/config/load.h"
#include "fastermask/data/image_io.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/report/draw.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/input_batch.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/region_settings.h"
#include "fastermask/weights/npz.h"

namespace fastermask::cli {
namespace {

constexpr const char* kPredict = "predict";

struct PredictOptions {
  std::vector<std::string> inputs;
  std::string model;
  std::string config_file;
  std::string weights;
  std::string output;
  double score_threshold = 0.5;
  std::string precision;  // empty: f32, or the package's
  int batch = 1;
  int threads = 0;
  bool json = false;
  bool exact = false;
  std::string dump;
  PredictFileOptions files;
};

// The detections that score at least `threshold`; they are in falling order of score.
Detections above_threshold(Detections detections, double threshold) {
  std::size_t count = 0;
  while (count < detections.size() && detections.scores[count] >= threshold) ++count;
  detections.boxes.resize(count);
  detections.scores.resize(count);
  detections.classes.resize(count);
  if (!detections.masks.empty()) detections.masks.resize(count);
  if (!detections.keypoints.empty()) detections.keypoints.resize(count);
  return detections;
}

// COCO result records of one picture.
void append_records(const std::string& file, const Detections& detections, const ClassList& classes,
                    nlohmann::json& records) {
  for (std::size_t d = 0; d < detections.size(); ++d) {
    const Box& box = detections.boxes[d];
    const auto index = static_cast<std::size_t>(detections.classes[d]);
    nlohmann::json record = {{"file_name", file},
                             {"category_id", classes.category_ids[index]},
                             {"category", classes.names[index]},
                             {"bbox", {box.x1, box.y1, box.width(), box.height()}},
                             {"score", detections.scores[d]}};
    if (!detections.masks.empty()) {
      const Rle& mask = detections.masks[d];
      record["segmentation"] = {{"size", {mask.height, mask.width}}, {"counts", rle_to_string(mask)}};
    }
    if (!detections.keypoints.empty()) {
      nlohmann::json& points = record["keypoints"] = nlohmann::json::array();
      for (const Keypoint& point : detections.keypoints[d]) {
        points.insert(points.end(), {point.x - 0.5f, point.y - 0.5f, point.visibility});
      }
    }
    records.push_back(std::move(record));
  }
}

// Where pictures are drawn: the file's own name, numbered when folders bring the same name twice.
class OutputNames {
 public:
  explicit OutputNames(std::string folder) : folder_(std::move(folder)) {}
  std::string next(const std::string& input) {
    const std::filesystem::path path(input);
    std::string name = path.filename().string();
    for (int number = 2; !used_.insert(name).second; ++number) {
      name = fmt::format("{}-{}{}", path.stem().string(), number, path.extension().string());
    }
    return join_path(folder_, name);
  }

 private:
  std::string folder_;
  std::set<std::string> used_;
};

// Runs the detector on pictures read so far and hands their detections on.
class PredictRun {
 public:
  PredictRun(const PredictOptions& options, const Config& config, std::unique_ptr<Detector> detector, ClassList classes)
      : options_(options),
        config_(config),
        detector_(std::move(detector)),
        classes_(std::move(classes)),
        output_names_(options.output),
        output_files_(options.files, classes_) {}

  void process(const std::vector<std::string>& files, const std::vector<Image>& images) {
    const Batch batch = make_input_batch(images, config_, detector_->network().size_divisibility);
    NamedArrays dump;
    const std::vector<Detections> found = detector_->detect(batch, options_.dump.empty() ? nullptr : &dump);
    if (!options_.dump.empty()) save_npz(options_.dump, dump);
    for (std::size_t i = 0; i < files.size(); ++i) {
      const Detections detections =
          above_threshold(to_original_image(found[i], images[i].size()), options_.score_threshold);
      if (options_.json) append_records(files[i], detections, classes_, records_);
      if (!options_.output.empty() || options_.files.any()) write_files(files[i], detections);
      total_ += detections.size();
    }
  }

  void finish() const { output_files_.finish(); }
  const nlohmann::json& records() const { return records_; }
  std::size_t total() const { return total_; }

 private:
  void write_files(const std::string& file, const Detections& detections) {
    const std::string path = output_names_.next(file);
    const Image image = read_image(file);  // anew in BGR: the network may want another channel order
    if (options_.files.any()) output_files_.add(file, path, image, detections);
    if (!options_.output.empty()) write_image(path, draw_detections(image, detections, classes_.names));
  }

  const PredictOptions& options_;
  const Config& config_;
  std::unique_ptr<Detector> detector_;
  ClassList classes_;
  OutputNames output_names_;
  PredictFiles output_files_;
  nlohmann::json records_ = nlohmann::json::array();
  std::size_t total_ = 0;
};

int run_predict(const PredictOptions& options, PredictRun& run, const Config& config,
                const std::vector<std::string>& files) {
  std::vector<std::string> failures, batch_files;
  std::vector<Image> batch_images;
  const PixelFormat format = parse_pixel_format(config.input.format);
  {
    ProgressBar bar("predict", static_cast<std::int64_t>(files.size()));
    for (std::size_t i = 0; i < files.size(); ++i) {
      try {
        batch_images.push_back(read_image(files[i], format));
        batch_files.push_back(files[i]);
      } catch (const Error& error) {
        failures.emplace_back(error.what());
      }
      if (batch_files.size() == static_cast<std::size_t>(options.batch) ||
          (i + 1 == files.size() && !batch_files.empty())) {
        run.process(batch_files, batch_images);
        batch_files.clear();
        batch_images.clear();
      }
      bar.update(static_cast<std::int64_t>(i + 1));
    }
  }
  run.finish();
  if (options.json) fmt::print("{}\n", run.records().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  log_info(kPredict, "{} detections with a score of at least {} in {} pictures", run.total(), options.score_threshold,
           files.size() - failures.size());
  if (!options.output.empty()) log_info(kPredict, "Pictures are in {}", options.output);
  for (const std::string& failure : failures) log_error(kPredict, "{}", failure);
  return failures.empty() ? 0 : 1;
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

int start_predict(PredictOptions options) {
  const std::vector<std::string> overrides = split_overrides(options.inputs);
  if (options.model.empty() == options.config_file.empty())
    fail<UsageError>("predict: give either --model M.fmm, or --config-file F with --weights W");
  if (!options.model.empty() && (!options.weights.empty() || options.exact))
    fail<UsageError>(
        "predict: a model package has its weights and its way of computing in it; leave --weights and "
        "--exact out");
  if (options.precision == "int8")
    fail<UsageError>("predict: --precision must be f32 or bf16 in this version, got {}", options.precision);
  if (options.output.empty() && !options.json && options.dump.empty() && !options.files.any()) {
    fail<UsageError>(
        "predict: nothing to do: give --output DIR for drawn pictures, --json for records, or one of --csv, "
        "--labelme, --crops, --masks");
  }
  if (options.inputs.empty()) fail<UsageError>("predict: no INPUT given; name pictures, folders or patterns");
  const std::vector<std::string> files = find_input_files(options.inputs);
  if (!options.dump.empty() && files.size() != 1)
    fail<UsageError>("predict: --dump takes one picture, got {}", files.size());
  set_num_threads(options.threads);
  Config config;
  if (!options.model.empty()) {
    ModelPackage package = load_model_package(options.model);
    if (!options.precision.empty() && options.precision != to_string(package.precision)) {
      fail<UsageError>("predict: {} holds {} weights; leave --precision out, or make another with 'fastermask compile'",
                       options.model, to_string(package.precision));
    }
    merge_overrides(package.config, overrides);
    if (options.dump.empty()) keep_scores_of_at_least(package.config, options.score_threshold);
    config = package.config;
    PredictRun run(options, config, make_package_detector(package), std::move(package.classes));
    return run_predict(options, run, config, files);
  }
  config = load_model_config(options.config_file, overrides);
  if (!options.weights.empty()) config.model.weights = options.weights;
  if (options.dump.empty()) keep_scores_of_at_least(config, options.score_threshold);
  const CompileOptions compile_options{!options.exact,
                                       parse_weight_precision(options.precision.empty() ? "f32" : options.precision)};
  PredictRun run(options, config, make_cpu_detector(config, compile_options), find_model_classes(config));
  return run_predict(options, run, config, files);
}

}  // namespace

void add_predict_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("predict", "Detect objects in pictures and draw them");
  auto options = std::make_shared<PredictOptions>();
  command->add_option("INPUT", options->inputs, "pictures, folders, patterns; then KEY VALUE config overrides");
  command->add_option("--model", options->model, "model package, made by 'fastermask compile'");
  command->add_option("--config-file", options->config_file, "YAML config, instead of --model");
  command->add_option("--weights", options->weights, "weight file; otherwise MODEL.WEIGHTS");
  command->add_option("--output", options->output, "folder for the drawn pictures");
  command->add_option("--score-threshold", options->score_threshold, "detections below it are left out")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--precision", options->precision, "f32 (default), or bf16: weights rounded to 16 bits")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  command->add_option("--batch", options->batch, "pictures at a time")->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--exact", options->exact, "no Winograd convolutions: slower, a fifth of their rounding error");
  command->add_option("--csv", options->files.csv, "write a line an instance to this file");
  command->add_option("--labelme", options->files.labelme, "folder for a labelme annotation file a picture");
  command->add_option("--crops", options->files.crops, "folder for a picture an instance: what its box holds");
  command->add_option("--masks", options->files.masks, "folder for a gray PNG a picture: i where the i-th instance is");
  command->add_flag("--json", options->json, "print COCO result records with file_name");
  command->add_option("--dump", options->dump, "write the intermediates of one picture to this .npz file");
  command->footer(
      "Example: fastermask predict --config-file output/config.yaml --weights output/model_final.pth \\\n"
      "           pictures/ --output drawn");
  command->callback([options] {
    const int status = start_predict(*options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
