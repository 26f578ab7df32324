#include "fastermask/runtime/calibrate.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fastermask/base/cpu.h"
#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
#include "fastermask/base/progress.h"
#include "fastermask/runtime/input_batch.h"

namespace fastermask {
namespace {

constexpr const char* kLogger = "calibration";
constexpr std::size_t kNoisePictures = 8;

void detect_all(const Detector& detector, const Config& config, const ExamplePictures& pictures, std::size_t count,
                const char* what) {
  ProgressBar progress(what, static_cast<std::int64_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<Image> images;
    images.push_back(pictures.read(i));
    detector.detect(make_input_batch(images, config, detector.network().size_divisibility));
    progress.update(static_cast<std::int64_t>(i) + 1);
  }
}

}  // namespace

CalibrationResult calibrate(const Config& config, const NamedArrays& weights, const ExamplePictures& pictures,
                            RangeMethod method, bool winograd) {
  if (pictures.count == 0) fail<DataError>("calibration: there are no pictures to calibrate with");
  log_info(kLogger, "Calibrating int8 on {} images", pictures.count);
  const Network network = build_network(config);
  CompiledWeights compiled = compile_weights(network, weights, {winograd});
  CalibrationResult result;
  {
    Calibration calibration(network);
    auto executor = std::make_shared<CpuExecutor>(network, compiled);
    RunObserver observer;
    observer.value = [&](const Graph& graph, int value, const FeatureMapShape& shape, const float* data) {
      calibration.observe(graph, value, shape, data);
    };
    executor->set_observer(observer);
    detect_all(Detector(executor, config), config, pictures, pictures.count, "calibrate");
    result.quantisation = calibration.quantisation(method, winograd && !has_vnni());
  }
  // Both forms of each layer: computed in floats, with the integers beside them.
  const IntegerNetwork integers = compile_integer_network(config, weights, result.quantisation, winograd);
  for (const std::string& layer : result.quantisation.layers)
    compiled.at(layer).integer = integers.weights.at(layer).integer;
  std::map<std::string, std::pair<double, double>> sums;
  auto executor = std::make_shared<CpuExecutor>(network, compiled, result.quantisation.ranges);
  RunObserver observer;
  observer.noise = [&](const std::string& layer, double noise, double signal) {
    sums[layer].first += noise;
    sums[layer].second += signal;
  };
  executor->set_observer(observer);
  detect_all(Detector(executor, config), config, pictures, std::min(pictures.count, kNoisePictures), "noise of int8");
  for (const auto& [layer, sum] : sums) result.noise.push_back({layer, sum.first / std::max(sum.second, 1e-30)});
  std::stable_sort(result.noise.begin(), result.noise.end(),
                   [](const LayerNoise& a, const LayerNoise& b) { return a.noise > b.noise; });
  return result;
}

IntegerNetwork compile_integer_network(const Config& config, NamedArrays weights, const Quantisation& quantisation,
                                       bool winograd) {
  const CompileOptions options{winograd, WeightPrecision::int8, &quantisation};
  return {compile_weights(build_network(config), std::move(weights), options), quantisation.ranges};
}

std::shared_ptr<CpuExecutor> make_integer_executor(const Config& config, const IntegerNetwork& network) {
  return std::make_shared<CpuExecutor>(build_network(config), network.weights, network.ranges);
}

std::unique_ptr<Detector> make_integer_detector(const Config& config, const IntegerNetwork& network) {
  return std::make_unique<Detector>(make_integer_executor(config, network), config);
}

}  // namespace fastermask
