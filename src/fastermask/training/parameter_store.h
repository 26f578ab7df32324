// The parameters and buffers of a network as LibTorch tensors, under detectron2's names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

struct StoredParameter {
  Parameter info;
  at::Tensor tensor;  // a leaf; requires_grad where info.trainable
};

class ParameterStore {
 public:
  // Every parameter of the network, initialised as Parameter::initialiser says from random numbers keyed by `seed` and
  // the parameter's name (so that adding a layer does not change the others).
  // Parameters whose name matches one of the `frozen` patterns (shell wildcards) are not trained. Throws ConfigError
  // for a pattern that matches none.
  ParameterStore(const Network& network, std::uint64_t seed, const std::vector<std::string>& frozen = {});

  // The tensor of that name. Throws Error for an unknown one.
  const at::Tensor& tensor(const std::string& name) const;
  bool contains(const std::string& name) const { return index_.count(name) > 0; }

  // In the network's order.
  const std::vector<StoredParameter>& all() const { return parameters_; }

  // Overwrites a tensor's values. The array must have its shape. Throws WeightsError otherwise.
  void assign(const std::string& name, const NDArray& array);

  // All values, by name: what a checkpoint's "model" holds.
  NamedArrays state() const;

  // Moves all tensors to a device that LibTorch knows by this name. They are new tensors.
  void move_to(const std::string& device);
  at::Device device() const { return device_; }

  // To be called by whoever changes values other than through assign() or an optimiser.
  void mark_changed() { ++version_; }

  // Counts assignments, so that executors know when to fold frozen norms into weights again.
  int version() const { return version_; }

 private:
  std::vector<StoredParameter> parameters_;
  std::map<std::string, std::size_t> index_;  // name -> position in parameters_
  int version_ = 0;
  at::Device device_ = at::kCPU;
};

}  // namespace fastermask
