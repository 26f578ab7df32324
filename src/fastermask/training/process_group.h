// The c10d side of distributed.h. Internal to the training layer.
#pragma once

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "fastermask/training/parameter_store.h"

namespace fastermask {

// The group of all processes; null for one process.
c10::intrusive_ptr<c10d::ProcessGroup> process_group();

// A Gloo group that listens on the interface through which `address` is reached, or GLOO_SOCKET_IFNAME's.
c10::intrusive_ptr<c10d::ProcessGroup> make_gloo_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                       int world_size, const std::string& address,
                                                       std::chrono::milliseconds timeout);

// Averages gradients over the processes while backward() is still at work, in buckets: c10d's Reducer.
class GradientReducer {
 public:
  explicit GradientReducer(const ParameterStore& parameters);
  ~GradientReducer();

  // To be called between forward and backward of the step's last batch.
  void expect(const at::Tensor& loss);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace fastermask
