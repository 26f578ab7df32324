// Networks of a few numbers, for tests of the optimiser and the executor.
#pragma once

#include "fastermask/graph/graph_builder.h"
#include "fastermask/graph/network.h"
#include "fastermask/training/parameter_store.h"

namespace fastermask {

// A network whose dense graph is `builder`'s.
inline Network network_of(GraphBuilder&& builder) {
  Network network;
  network.dense = std::move(builder).build();
  return network;
}

// "conv.weight" [1, 1, 1, 1] and "conv.bias" [1], then "normed.weight" [1, 1, 1, 1] and its batch norm of one channel.
inline Network scalar_network() {
  GraphBuilder builder("dense", 1);
  const int value = builder.convolution("conv", builder.input(), {1, 1});
  builder.output("y", builder.convolution("normed", value, {1, 1, 1, 1, 1, NormType::batch}));
  return network_of(std::move(builder));
}

// A parameter by name; tensors share their memory, so that setting one sets the store's.
inline at::Tensor parameter_of(const ParameterStore& store, const std::string& name) { return store.tensor(name); }

inline void set_value(const ParameterStore& store, const std::string& name, float value) {
  const at::NoGradGuard no_grad;
  parameter_of(store, name).fill_(value);
}

inline void set_gradient(const ParameterStore& store, const std::string& name, float value) {
  at::Tensor parameter = parameter_of(store, name);
  parameter.mutable_grad() = at::full_like(parameter.detach(), value);
}

inline float value_of(const ParameterStore& store, const std::string& name) {
  return parameter_of(store, name).detach().reshape({-1})[0].item<float>();
}

}  // namespace fastermask
