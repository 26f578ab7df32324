#include "fastermask/training/parameter_store.h"

#include <fnmatch.h>

#include "fastermask/base/error.h"
#include "fastermask/runtime/initial_weights.h"

namespace fastermask {
ParameterStore::ParameterStore(const Network& network, std::uint64_t seed, const std::vector<std::string>& frozen) {
  std::vector<bool> pattern_used(frozen.size());
  for (Parameter info : network.parameters()) {
    if (!index_.emplace(info.name, parameters_.size()).second) continue;
    for (std::size_t i = 0; i < frozen.size(); ++i) {
      if (::fnmatch(frozen[i].c_str(), info.name.c_str(), 0) != 0) continue;
      pattern_used[i] = true;
      info.trainable = false;
    }
    at::Tensor tensor = to_tensor(initial_values(info, seed)).contiguous();  // as our own kernels read them
    tensor.set_requires_grad(info.trainable);
    parameters_.push_back({info, std::move(tensor)});
  }
  for (std::size_t i = 0; i < frozen.size(); ++i) {
    if (!pattern_used[i]) fail<ConfigError>("config: SOLVER.FREEZE: no parameter is called '{}'", frozen[i]);
  }
}

void ParameterStore::move_to(const std::string& device) {
  device_ = at::Device(device);
  for (StoredParameter& stored : parameters_) {
    if (stored.tensor.device() == device_) continue;
    const bool trained = stored.tensor.requires_grad();
    stored.tensor = stored.tensor.detach().to(device_);
    stored.tensor.set_requires_grad(trained);
  }
  mark_changed();
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
