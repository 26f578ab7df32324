// `fastermask bench infer`: what each stage of inference costs, and how near that is to what the machine can do.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/cli/bench.h"
#include "fastermask/cli/overrides.h"
#include "fastermask/cli/timing.h"
#include "fastermask/config/load.h"
#include "fastermask/data/image_io.h"
#include "fastermask/detection/box_coding.h"
#include "fastermask/graph/summary.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/matrix_peak.h"
#include "fastermask/runtime/calibrate.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/initial_weights.h"
#include "fastermask/runtime/input_batch.h"
#include "fastermask/runtime/memory_use.h"
#include "fastermask/runtime/model_weights.h"
#include "fastermask/runtime/region_settings.h"
#include "fastermask/runtime/supported.h"

namespace fastermask::cli {
namespace {

constexpr int kCandidates = 2000;  // boxes into the last NMS, when the weights are random

struct BenchInferOptions {
  std::string config_file;
  std::string weights;
  std::string image;
  std::vector<int> size = {800, 1216};
  std::string precision = "f32";
  int repeat = 5;
  int threads = 0;
  bool exact = false;
  bool json = false;
};

// The two yardsticks of published times: operations a second of a linear layer 1000 x 12544 -> 1024, and of a 3x3
// convolution of 256 to 256 channels at 200 x 304, the direct way.
double yardstick(const ConvolutionGeometry& geometry, int batch, int height, int width) {
  const auto weights = static_cast<std::size_t>(geometry.in_channels) *
                       static_cast<std::size_t>(geometry.out_channels) *
                       static_cast<std::size_t>(geometry.kernel * geometry.kernel);
  const std::vector<float> weight(weights, 0.01f);
  const PackedConvolution convolution(geometry, weight.data(), nullptr, ConvolutionMethod::direct);
  const std::int64_t pixels = static_cast<std::int64_t>(batch) * height * width;
  const std::vector<float> input(static_cast<std::size_t>(pixels * geometry.in_channels), 0.5f);
  std::vector<float> output(static_cast<std::size_t>(pixels * geometry.out_channels));
  const double seconds = best_of(3, [&] { convolution.run({input.data(), batch, height, width, output.data()}); });
  return 2.0 * static_cast<double>(pixels) * static_cast<double>(weights) / seconds;
}

Image random_picture(const std::vector<int>& size) {
  Image image;
  image.height = size[0];
  image.width = size[1];
  image.channels = 3;
  image.pixels.resize(image.row_bytes() * static_cast<std::size_t>(image.height));
  Random random(1, RandomPurpose::test);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(random.next_u32());
  return image;
}

// With random weights all classes score alike: the score that kCandidates boxes reach stands in for the threshold.
void choose_score_threshold(const std::shared_ptr<NetworkExecutor>& executor, Config& config, const Batch& batch) {
  if (executor->network().box_heads.empty()) return;
  NamedArrays dump;
  Detector(executor, config).detect(batch, &dump);
  const int columns = config.model.roi_heads.num_classes + 1;
  std::vector<float> scores;
  const std::size_t stages = executor->network().box_heads.size();
  const std::vector<float> logits =
      dump.at(stages > 1 ? fmt::format("box.logits.stage{}", stages - 1) : "box.logits").to_floats();
  const std::vector<float> all = softmax_rows(logits, columns);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (static_cast<int>(i) % columns != columns - 1) scores.push_back(all[i]);
  }
  const std::size_t wanted = std::min<std::size_t>(kCandidates, scores.size() - 1);
  std::nth_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(wanted), scores.end(),
                   std::greater<float>());
  config.model.roi_heads.score_thresh_test = static_cast<double>(scores[wanted]);
}

struct Stage {
  std::string name;
  double seconds = 0;
  double flops = 0;  // of the direct way; 0: not mostly matrix products
  double of_peak = 0;
};

// What the layers of each kind ("convolutions, int8") take and compute in one run: not what a stage does besides, such
// as pooling, or layers that stay in float32 beside int8.
using KindTimes = std::map<std::string, Stage>;

RunObserver time_kinds(KindTimes& kinds, const std::string& precision) {
  RunObserver observer;
  observer.time = [&kinds, precision](const Layer& layer, bool in_integers, double flops, double seconds) {
    if (flops <= 0) return;
    const char* const what = layer.type == LayerType::linear ? "linear" : "convolutions";
    Stage& sum = kinds[fmt::format("{}, {}", what, precision != "int8" || in_integers ? precision : "f32")];
    sum.seconds += seconds;
    sum.flops += flops;
  };
  return observer;
}

// Medians over runs, each with the peak timed after it.
std::vector<Stage> median_kinds(const std::vector<KindTimes>& runs, const std::vector<double>& peaks) {
  std::vector<Stage> result;
  for (const auto& [name, first] : runs.front()) {
    std::vector<double> seconds, shares;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const Stage& run = runs[i].at(name);
      seconds.push_back(run.seconds);
      shares.push_back(run.flops / (run.seconds * peaks[i]));
    }
    result.push_back({name, median(seconds), first.flops, median(shares)});
  }
  return result;
}

int run_bench_infer(const CLI::App& command, const BenchInferOptions& options) {
  Config config = load_model_config(options.config_file, overrides_of(command));
  if (!options.weights.empty()) config.model.weights = options.weights;
  check_inference_supported(config);
  set_num_threads(options.threads);
  Network network = build_network(config);
  const bool random = config.model.weights.empty() || (options.weights.empty() && options.image.empty());
  NamedArrays weights = random ? random_weights(network, 1, static_cast<double>(config.model.pixel_std.at(0)))
                               : load_network_weights(config.model.weights, network);
  const Image image = options.image.empty() ? random_picture(options.size)
                                            : read_image(options.image, parse_pixel_format(config.input.format));
  if (options.image.empty()) {  // the size is the network's input: no resizing
    config.input.min_size_test = std::min(options.size[0], options.size[1]);
    config.input.max_size_test = std::max(options.size[0], options.size[1]);
  }
  const Span<const Image> images(&image, 1);
  const int divisibility = network.size_divisibility;
  Batch batch = make_input_batch(images, config, divisibility);
  const WeightPrecision precision = parse_weight_precision(options.precision);
  std::shared_ptr<CpuExecutor> executor;
  const auto make_executor = [&](NamedArrays parameters, WeightPrecision rounded) {
    const CompiledWeights compiled =
        compile_weights(network, std::move(parameters), {!options.exact, rounded, nullptr});
    executor = std::make_shared<CpuExecutor>(network, compiled);
  };
  double packing = 0;
  if (precision == WeightPrecision::int8) {
    make_executor(weights, WeightPrecision::f32);
    if (random) choose_score_threshold(executor, config, batch);
    executor.reset();
    const ExamplePictures examples{1, [&](std::size_t) { return image; }};
    const CalibrationResult calibrated = calibrate(config, weights, examples, RangeMethod::percentile, !options.exact);
    packing = seconds_of([&] {
      executor = make_integer_executor(
          config, compile_integer_network(config, std::move(weights), calibrated.quantisation, !options.exact));
    });
  } else {
    packing = seconds_of([&] { make_executor(std::move(weights), precision); });
    if (random) choose_score_threshold(executor, config, batch);
  }
  const Detector detector(executor, config);
  std::vector<DetectorTimes> runs;
  std::vector<KindTimes> kind_runs;
  std::vector<double> preparing, pasting, whole, peaks;  // the last: right after each run, as cores may be shared
  const MatrixNumbers numbers = precision == WeightPrecision::int8   ? MatrixNumbers::int8
                                : precision == WeightPrecision::bf16 ? MatrixNumbers::bf16
                                                                     : MatrixNumbers::f32;
  std::size_t detections = 0;
  for (int i = 0; i <= options.repeat; ++i) {  // the first warms up
    DetectorTimes times;
    KindTimes kinds;
    executor->set_observer(time_kinds(kinds, options.precision));
    double prepare = 0, paste = 0;
    const double all = seconds_of([&] {
      prepare = seconds_of([&] { batch = make_input_batch(images, config, divisibility); });
      std::vector<Detections> found = detector.detect(batch, nullptr, &times);
      detections = found[0].size();
      paste = seconds_of([&] { to_original_image(std::move(found[0]), image.size()); });
    });
    if (i == 0) continue;
    runs.push_back(times);
    kind_runs.push_back(std::move(kinds));
    preparing.push_back(prepare);
    pasting.push_back(paste);
    whole.push_back(all);
    peaks.push_back(matrix_peak(numbers));
  }
  const auto stage = [&](const char* name, double DetectorTimes::*member, double work = 0) {
    std::vector<double> values, shares;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      values.push_back(runs[i].*member);
      shares.push_back(values.back() > 0 ? work / (values.back() * peaks[i]) : 0);
    }
    return Stage{name, median(values), work, median(shares)};
  };
  const int regions = config.model.rpn.post_nms_topk_test;
  const NetworkSummary summary =
      summarise(detector.network(), {batch.height, batch.width}, regions, std::max(1, static_cast<int>(detections)));
  const auto flops = [&](const std::string& graph) {
    double sum = 0;
    for (const GraphSummary& part : summary.graphs) {
      if (part.name == graph) sum += static_cast<double>(part.flops);
    }
    return sum;
  };
  const std::vector<Stage> stages = {{"resize, normalise", median(preparing)},
                                     stage("backbone, RPN head", &DetectorTimes::dense, flops("dense")),
                                     stage("proposals", &DetectorTimes::proposals),
                                     stage("RoIAlign of boxes", &DetectorTimes::box_pool, flops("roi_stage")),
                                     stage("box head", &DetectorTimes::box_head, flops("box_head")),
                                     stage("boxes, NMS", &DetectorTimes::boxes),
                                     stage("RoIAlign of masks", &DetectorTimes::mask_pool),
                                     stage("mask, keypoint head", &DetectorTimes::mask_head,
                                           detections == 0 ? 0 : flops("mask_head") + flops("keypoint_head")),
                                     {"paste", median(pasting)}};
  const std::vector<Stage> kinds = median_kinds(kind_runs, peaks);
  const double peak = median(peaks);
  const double linear = yardstick({12544, 1024}, 1000, 1, 1);
  const double convolution = yardstick({256, 256, 3, 1, 1}, 1, 200, 304);
  const double peak_memory = peak_resident_bytes();
  if (options.json) {
    nlohmann::json document = {{"seconds", median(whole)},
                               {"seconds_all", whole},
                               {"threads", num_threads()},
                               {"instruction_set", isa_name(best_isa())},
                               {"input", {batch.height, batch.width}},
                               {"detections", detections},
                               {"packing_seconds", packing},
                               {"peak_flops", peak},
                               {"linear_flops", linear},
                               {"convolution_flops", convolution},
                               {"peak_resident_bytes", peak_memory}};
    const auto as_json = [](const Stage& part) {
      return nlohmann::json{
          {"name", part.name}, {"seconds", part.seconds}, {"flops", part.flops}, {"of_peak", part.of_peak}};
    };
    for (const Stage& part : stages) document["stages"].push_back(as_json(part));
    for (const Stage& part : kinds) document["layers"].push_back(as_json(part));
    fmt::print("{}\n", document.dump(2));
    return 0;
  }
  fmt::print("{} x {} pixels, {} detections, {}, {} threads, {}; medians of {} runs\n\n", batch.height, batch.width,
             detections, options.precision, num_threads(), isa_name(best_isa()), options.repeat);
  fmt::print("{:<22}{:>10}{:>10}{:>12}{:>10}\n", "stage", "ms", "GFLOP", "GFLOP/s", "of peak");
  double rest = median(whole);
  const auto print_row = [](const Stage& part) {
    if (part.flops > 0 && part.seconds > 0) {
      fmt::print("{:<22}{:>10.1f}{:>10.1f}{:>12.1f}{:>9.0f}%\n", part.name, part.seconds * 1e3, part.flops / 1e9,
                 part.flops / part.seconds / 1e9, part.of_peak * 100);
    } else {
      fmt::print("{:<22}{:>10.1f}\n", part.name, part.seconds * 1e3);
    }
  };
  for (const Stage& part : stages) {
    rest -= part.seconds;
    print_row(part);
  }
  fmt::print("{:<22}{:>10.1f}\n{:<22}{:>10.1f}\n\nof these:\n", "other", rest * 1e3, "all",
             median(whole) * 1e3);
  for (const Stage& part : kinds) print_row(part);
  fmt::print("\n");
  fmt::print(
      "GFLOP are counted the direct way: Winograd's convolutions may pass 100 % of the peak, which is timed after "
      "each run.\n");
  fmt::print(
      "Matrix peak in {} {:.0f} GFLOP/s; yardsticks in f32: linear 1000 x 12544 -> 1024 {:.0f}, convolution 3x3 256 -> "
      "256, "
      "200 x 304 {:.0f} GFLOP/s\n",
      options.precision, peak / 1e9, linear / 1e9, convolution / 1e9);
  fmt::print("Packing the weights took {:.2f} s; peak memory {:.0f} MB\n", packing, peak_memory / 1e6);
  return 0;
}

}  // namespace

void add_bench_infer_command(CLI::App& bench) {
  CLI::App* command = bench.add_subcommand("infer", "Time inference of one picture, stage by stage");
  auto options = std::make_shared<BenchInferOptions>();
  command->add_option("--config-file", options->config_file, "YAML config")->required();
  command->add_option("--weights", options->weights, "weight file; otherwise random weights");
  command
      ->add_option("--precision", options->precision,
                   "f32; bf16: weights of 16 bits; or int8, calibrated on the one picture")
      ->check(CLI::IsMember({"f32", "bf16", "int8"}));
  command->add_option("--image", options->image, "picture; otherwise noise of --size");
  command->add_option("--size", options->size, "height and width of the network's input")->expected(2);
  command->add_option("--repeat", options->repeat, "timed runs, of which the median counts")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options->threads, "compute threads (0: one a core)")->check(CLI::NonNegativeNumber);
  command->add_flag("--exact", options->exact, "no Winograd convolutions");
  command->add_flag("--json", options->json, "print one JSON document");
  command->footer(
      "Example: fastermask bench infer --config-file configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml");
  accept_overrides(*command);
  command->callback([command, options] {
    const int status = run_bench_infer(*command, *options);
    if (status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace fastermask::cli
