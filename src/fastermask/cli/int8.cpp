#include "fastermask/cli/int8.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/cli/input_files.h"
#include "fastermask/data/catalog.h"
#include "fastermask/data/image_io.h"
#include "fastermask/evaluation/evaluate_detector.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/model_weights.h"
#include "fastermask/video/video.h"

namespace fastermask::cli {
namespace {

constexpr const char* kLogger = "calibration";

NamedArrays weights_of(const Config& config) {
  return load_network_weights(config.model.weights, build_network(config));
}

// Every so many-th file, so that they are of the whole set.
std::vector<std::string> calibration_files(const Config& config, const Int8Options& options) {
  std::vector<std::string> files;
  if (std::filesystem::is_directory(options.calibration)) {
    files = find_input_files({options.calibration});
    files.erase(std::remove_if(files.begin(), files.end(), has_video_ending), files.end());
  } else {
    for (const ImageRecord& record : load_dataset(options.calibration, dataset_loading(config)).records)
      files.push_back(record.file_name);
  }
  const auto wanted = static_cast<std::size_t>(options.images);
  if (files.size() <= wanted) return files;
  std::vector<std::string> some;
  for (std::size_t i = 0; i < wanted; ++i) some.push_back(files[files.size() * i / wanted]);
  return some;
}

// AP of each task, as a share of 1.
std::map<std::string, double> average_precisions(Detector& detector, const std::shared_ptr<const Dataset>& dataset,
                                                 const Config& config) {
  std::map<std::string, double> found;
  for (const TaskMetrics& task : evaluate_detector(detector, dataset, config, {}).metrics) {
    for (const auto& [name, value] : task.metrics) {
      if (name == "AP" && !std::isnan(value)) found[task.task] = value / 100;
    }
  }
  return found;
}

double largest_drop(const std::map<std::string, double>& before, const std::map<std::string, double>& after) {
  double drop = 0;
  for (const auto& [task, value] : before) {
    const auto found = after.find(task);
    drop = std::max(drop, value - (found == after.end() ? 0 : found->second));
  }
  return drop;
}

IntegerNetwork search_layers(const Config& config, const CalibrationResult& calibrated, double max_drop,
                             bool winograd) {
  if (config.datasets.test.empty())
    fail<ConfigError>("int8: --max-ap-drop needs a data set to evaluate on, but DATASETS.TEST is empty");
  const auto dataset =
      std::make_shared<const Dataset>(load_dataset(config.datasets.test.front(), dataset_loading(config)));
  const std::unique_ptr<Detector> floats = make_cpu_detector(config, {winograd});
  const std::map<std::string, double> wanted = average_precisions(*floats, dataset, config);
  // The number of layers left in bf16: too few, and enough (all of them certainly are).
  std::size_t too_few = 0, enough = calibrated.noise.size();
  std::size_t tried = 0;
  IntegerNetwork best;
  while (true) {
    Quantisation some = calibrated.quantisation;
    for (std::size_t i = 0; i < tried; ++i) some.layers.erase(calibrated.noise[i].layer);
    IntegerNetwork network = compile_integer_network(config, weights_of(config), some, winograd);
    const std::unique_ptr<Detector> detector = make_integer_detector(config, network);
    const double drop = tried == calibrated.noise.size()
                            ? 0
                            : largest_drop(wanted, average_precisions(*detector, dataset, config));
    log_info(kLogger, "With {} of {} layers in int8, AP falls by {:.4f}", some.layers.size(), calibrated.noise.size(),
             drop);
    if (drop <= max_drop) {
      best = std::move(network);
      enough = tried;
    } else {
      too_few = tried;
    }
    if (enough == 0 || enough - too_few <= 1) break;
    // First a few, then the middle.
    tried = too_few == 0 && enough == calibrated.noise.size() ? std::min<std::size_t>(4, enough)
                                                                : (too_few + enough) / 2;
    if (tried == too_few) break;
  }
  if (best.weights.empty()) {
    Quantisation none = calibrated.quantisation;
    none.layers.clear();
    best = compile_integer_network(config, weights_of(config), none, winograd);
  }
  std::vector<std::string> left;
  for (std::size_t i = 0; i < enough; ++i) left.push_back(calibrated.noise[i].layer);
  if (!left.empty()) log_info(kLogger, "Left in bf16: {}", fmt::join(left, ", "));
  return best;
}

}  // namespace

void add_int8_options(CLI::App& command, Int8Options& options) {
  command.add_option("--calibration", options.calibration,
                     "int8: folder of pictures, or data set, that the ranges of values are taken from");
  command.add_option("--calibration-images", options.images, "int8: pictures taken from --calibration")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--calibration-method", options.method,
                  "int8: ranges hold all values (min-max), all but 0.01 % at each end (percentile), or what keeps the "
                  "most information (entropy)")
      ->check(CLI::IsMember({"min-max", "percentile", "entropy"}));
  command
      .add_option("--max-ap-drop", options.max_ap_drop,
                  "int8: AP that may be lost on DATASETS.TEST, such as 0.01 (one point of 100); layers that lose the "
                  "most stay bf16; 0: whatever it costs")
      ->check(CLI::Range(0.0, 1.0));
}

void check_int8_options(const std::string& command, const Int8Options& options, bool int8) {
  if (int8 && options.calibration.empty()) {
    fail<UsageError>("{}: --precision int8 needs --calibration: a folder of pictures or a data set, some hundred "
                     "pictures like those to come", command);
  }
  if (!int8 && (!options.calibration.empty() || options.max_ap_drop > 0))
    fail<UsageError>("{}: --calibration and --max-ap-drop belong to --precision int8", command);
}

IntegerNetwork make_integer_network(const Config& config, const Int8Options& options, bool winograd) {
  const std::vector<std::string> files = calibration_files(config, options);
  const PixelFormat format = parse_pixel_format(config.input.format);
  const ExamplePictures pictures{files.size(), [&](std::size_t i) { return read_image(files[i], format); }};
  const CalibrationResult calibrated = calibrate(config, weights_of(config), pictures, parse_range_method(options.method), winograd);
  for (std::size_t i = 0; i < std::min<std::size_t>(5, calibrated.noise.size()); ++i) {
    log_info(kLogger, "Noise of int8: {:.2e} of {}'s variance", calibrated.noise[i].noise,
             calibrated.noise[i].layer);
  }
  if (options.max_ap_drop > 0) return search_layers(config, calibrated, options.max_ap_drop, winograd);
  return compile_integer_network(config, weights_of(config), calibrated.quantisation, winograd);
}

}  // namespace fastermask::cli
