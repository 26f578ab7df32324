#include "fastermask/training/parameter_store.h"

#include <fnmatch.h>

#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

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

}  // namespace

ParameterStore::ParameterStore(const Network& network, std::uint64_t seed, const std::vector<std::string>& frozen) {
  std::vector<bool> pattern_used(frozen.size());
  for (Parameter info : network.parameters()) {
    if (!index_.emplace(info.name, parameters_.size()).second) continue;
    for (std::size_t i = 0; i < frozen.size(); ++i) {
      if (::fnmatch(frozen[i].c_str(), info.name.c_str(), 0) != 0) continue;
      pattern_used[i] = true;
      info.trainable = false;
    }
    at::Tensor tensor = to_tensor(initial_values(info, seed));
    tensor.set_requires_grad(info.trainable);
    parameters_.push_back({info, std::move(tensor)});
  }
  for (std::size_t i = 0; i < frozen.size(); ++i) {
    if (!pattern_used[i]) fail<ConfigError>("config: SOLVER.FREEZE: no parameter is called '{}'", frozen[i]);
  }
}

const at::Tensor& ParameterStore::tensor(const std::string& name) const {
  const auto it = index_.find(name);
  FASTERMASK_CHECK(it != index_.end(), "parameters: the network has no '{}'", name);
  return parameters_[it->second].tensor;
}

void ParameterStore::assign(const std::string& name, const NDArray& array) {
  const at::Tensor& target = tensor(name);
  if (target.sizes().vec() != array.shape) {
    fail<WeightsError>("weights: {} must be {}, got {}", name, to_string(Shape(target.sizes().vec())),
                       to_string(array.shape));
  }
  const at::NoGradGuard no_grad;
  target.copy_(to_tensor(array));
  ++version_;
}

NamedArrays ParameterStore::state() const {
  NamedArrays arrays;
  for (const StoredParameter& parameter : parameters_) arrays.emplace(parameter.info.name, to_array(parameter.tensor));
  return arrays;
}

}  // namespace fastermask
