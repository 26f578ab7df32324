// Runs a network for inference on LibTorch, with the parameters of a training: what the runtime's own executor is held
// against.
#pragma once

#include <vector>

#include "fastermask/runtime/network_executor.h"
#include "fastermask/training/graph_executor.h"

namespace fastermask {

class TorchNetworkExecutor : public NetworkExecutor {
 public:
  // Both must outlive the executor.
  TorchNetworkExecutor(const Network& network, const ParameterStore& parameters);

  const Network& network() const override { return *network_; }
  using NetworkExecutor::run;
  void run(NetworkPart part, int stage, const HostTensor& input, std::vector<HostTensor>& outputs) override;

 private:
  const Network* network_;
  std::vector<TorchGraphExecutor> executors_;  // [graph of Network::graphs()]
};

}  // namespace fastermask
