#include "fastermask/runtime/initial_weights.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "fastermask/base/random.h"
#include "fastermask/base/text.h"

namespace fastermask {
namespace {

constexpr float kBranchScale = 0.25f;   // 16 blocks: the variance grows (1 + 1/16)^16 = 2.6-fold in all
constexpr double kPixelDeviation = 58;  // of a channel of natural pictures, from 0 to 255

// FNV-1a: a stable number for a name.
std::uint64_t hash_name(const std::string& name) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

// Fan-in and fan-out as PyTorch counts them: from dimensions 1 and 0 of the weight, transposed convolutions too.
double fan(const Shape& shape, std::size_t dimension) {
  double count = static_cast<double>(shape[dimension]);
  for (std::size_t i = 2; i < shape.size(); ++i) count *= static_cast<double>(shape[i]);
  return count;
}

NDArray constant(const Shape& shape, float value) {
  NDArray array(DType::float32, shape);
  std::fill_n(array.data<float>(), array.size(), value);
  return array;
}

}  // namespace

NDArray initial_values(const Parameter& parameter, std::uint64_t seed) {
  NDArray array(DType::float32, parameter.shape);
  Random random(seed, RandomPurpose::initialisation, hash_name(parameter.name));
  const auto fill = [&array](auto next) {
    float* values = array.data<float>();
    for (std::int64_t i = 0; i < array.size(); ++i) values[i] = static_cast<float>(next());
  };
  switch (parameter.initialiser) {
    case Initialiser::zeros: break;
    case Initialiser::ones: fill([] { return 1.0; }); break;
    case Initialiser::frozen_variance: fill([] { return 1.0 - 1e-5; }); break;
    case Initialiser::kaiming_normal_fan_out: {
      const double deviation = std::sqrt(2.0 / fan(parameter.shape, 0));
      fill([&] { return deviation * random.normal(); });
      break;
    }
    case Initialiser::kaiming_uniform_fan_in: {
      const double bound = std::sqrt(3.0 / fan(parameter.shape, 1));
      fill([&] { return random.uniform(-bound, bound); });
      break;
    }
    case Initialiser::normal_0_01: fill([&] { return 0.01 * random.normal(); }); break;
    case Initialiser::normal_0_001: fill([&] { return 0.001 * random.normal(); }); break;
  }
  return array;
}

NamedArrays balanced_frozen_norms(const Network& network, double pixel_std) {
  std::map<std::string, Shape> norms;  // by name: the shape of their parameters
  std::map<std::string, Shape> weights;
  for (const Graph* graph : network.graphs()) {
    for (const Layer& layer : graph->layers) {
      if (layer.type == LayerType::normalisation && layer.norm == NormType::frozen_batch)
        norms[layer.name] = {layer.out_channels};
      if (layer.type == LayerType::convolution) weights[layer.name] = {layer.out_channels, layer.in_channels};
    }
  }
  NamedArrays balanced;
  const std::string conv3 = ".conv3.norm", conv2 = ".conv2.norm";
  for (const auto& [name, shape] : norms) {
    const auto ends_with = [&norm = name](const std::string& end) {
      return norm.size() > end.size() && norm.compare(norm.size() - end.size(), end.size(), end) == 0;
    };
    if (ends_with("stem.conv1.norm")) {
      // Kaiming's normal weights for the fan-out: variance 2 / (49 * out), times 49 * in products of pixels.
      const Shape& weight = weights.at(name.substr(0, name.size() - 5));
      const double pixel = kPixelDeviation / pixel_std;
      const double variance = 2.0 * static_cast<double>(weight[1]) / static_cast<double>(weight[0]) * pixel * pixel;
      balanced[name + ".running_var"] = constant(shape, static_cast<float>(variance));
      continue;
    }
    const bool last_of_two = ends_with(conv2) && norms.count(name.substr(0, name.size() - conv2.size()) + conv3) == 0;
    if (ends_with(conv3) || last_of_two) balanced[name + ".weight"] = constant(shape, kBranchScale);
  }
  return balanced;
}

NamedArrays random_weights(const Network& network, std::uint64_t seed, double pixel_std) {
  NamedArrays weights = balanced_frozen_norms(network, pixel_std);
  for (const Parameter& parameter : network.parameters()) {
    if (weights.count(parameter.name) == 0) weights[parameter.name] = initial_values(parameter, seed);
  }
  return weights;
}

}  // namespace fastermask
