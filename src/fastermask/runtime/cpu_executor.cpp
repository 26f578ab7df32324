#include "fastermask/runtime/cpu_executor.h"

#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/runtime/model_weights.h"
#include "fastermask/runtime/supported.h"

namespace fastermask {

CpuExecutor::CpuExecutor(Network network, const CompiledWeights& weights, const NetworkRanges& ranges)
    : network_(std::move(network)), arenas_(std::make_shared<ArenaPool>()) {
  const auto compile = [&](const Graph& graph) {
    const auto found = ranges.find(graph.name);
    return std::make_unique<CompiledGraph>(graph, weights, found == ranges.end() ? ValueRanges{} : found->second,
                                           arenas_);
  };
  dense_ = compile(network_.dense);
  if (network_.roi_stage) roi_stage_ = compile(*network_.roi_stage);
  for (const Graph& head : network_.box_heads) box_heads_.push_back(compile(head));
  if (network_.mask_head) mask_head_ = compile(*network_.mask_head);
  if (network_.keypoint_head) keypoint_head_ = compile(*network_.keypoint_head);
}

void CpuExecutor::run(NetworkPart part, int stage, const HostTensor& input, std::vector<HostTensor>& outputs) {
  const Graph& graph = part_graph(network_, part, stage);  // throws when there is none
  switch (part) {
    case NetworkPart::dense: return dense_->run(input, outputs, &observer_);
    case NetworkPart::roi_stage: return roi_stage_->run(input, outputs, &observer_);
    case NetworkPart::box_head: return box_heads_[static_cast<std::size_t>(stage)]->run(input, outputs, &observer_);
    case NetworkPart::mask_head: return mask_head_->run(input, outputs, &observer_);
    case NetworkPart::keypoint_head: return keypoint_head_->run(input, outputs, &observer_);
  }
  fail("executor: no part {}", graph.name);
}

std::unique_ptr<Detector> make_package_detector(const ModelPackage& package) {
  auto executor = std::make_shared<CpuExecutor>(build_network(package.config), package.weights, package.ranges);
  return std::make_unique<Detector>(std::move(executor), package.config);
}

std::unique_ptr<Detector> make_cpu_detector(const Config& config, const CompileOptions& options) {
  check_inference_supported(config);
  Network network = build_network(config);
  const CompiledWeights weights =
      compile_weights(network, load_network_weights(config.model.weights, network), options);
  return std::make_unique<Detector>(std::make_shared<CpuExecutor>(std::move(network), weights), config);
}

}  // namespace fastermask
