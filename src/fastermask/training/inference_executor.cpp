#include "fastermask/training/inference_executor.h"

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// A tensor as host memory: channels last when it is 4-d. The HostTensor keeps the tensor alive.
HostTensor to_host(const at::Tensor& tensor) {
  const auto kept = std::make_shared<at::Tensor>(tensor.dim() == 4 ? channels_last(tensor) : tensor.contiguous());
  HostTensor host;
  host.shape = kept->sizes().vec();
  if (host.shape.size() == 4) host.shape = {host.shape[0], host.shape[2], host.shape[3], host.shape[1]};
  host.data = kept->data_ptr<float>();
  host.owner = kept;
  return host;
}

}  // namespace

TorchNetworkExecutor::TorchNetworkExecutor(const Network& network, const ParameterStore& parameters)
    : network_(&network) {
  for (const Graph* graph : network.graphs()) executors_.emplace_back(*graph, parameters);
}

void TorchNetworkExecutor::run(NetworkPart part, int stage, const HostTensor& input,
                               std::vector<HostTensor>& outputs) {
  const Graph& graph = part_graph(*network_, part, stage);
  const at::NoGradGuard no_grad;
  const at::Tensor tensor =
      input.shape.size() == 4
          ? view_nhwc(input.data, input.shape[0], input.shape[1], input.shape[2], input.shape[3])
          : at::from_blob(const_cast<float*>(input.data), at::IntArrayRef(input.shape.begin(), input.shape.size()),
                          at::TensorOptions(at::kFloat));
  for (TorchGraphExecutor& executor : executors_) {
    if (&executor.graph() != &graph) continue;
    outputs.clear();
    for (const at::Tensor& value : executor.forward(tensor, false)) outputs.push_back(to_host(value));
    return;
  }
  fail("executor: no graph for part {}", static_cast<int>(part));
}

}  // namespace fastermask
