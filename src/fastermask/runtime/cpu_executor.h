// Runs a network's dense parts on the CPU without LibTorch.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/runtime/compiled_graph.h"
#include "fastermask/runtime/detector.h"
#include "fastermask/runtime/model_package.h"
#include "fastermask/runtime/network_executor.h"

namespace fastermask {

// Thread-safe: several threads may run at the same time, each with memory of its own.
class CpuExecutor : public NetworkExecutor {
 public:
  // `ranges`: of the values that integer layers read.
  CpuExecutor(Network network, const CompiledWeights& weights, const NetworkRanges& ranges = {});

  const Network& network() const override { return network_; }
  using NetworkExecutor::run;
  // Allocates nothing when run again on an input of a size met lately, but for `outputs` to grow.
  void run(NetworkPart part, int stage, const HostTensor& input, std::vector<HostTensor>& outputs) override;

  // Shows every run from now on; not to be called while anything runs.
  void set_observer(RunObserver observer) { observer_ = std::move(observer); }

 private:
  Network network_;
  std::shared_ptr<ArenaPool> arenas_;
  std::unique_ptr<CompiledGraph> dense_, roi_stage_, mask_head_, keypoint_head_;
  std::vector<std::unique_ptr<CompiledGraph>> box_heads_;
  RunObserver observer_;
};

// The detector of a model package. Throws as load_model_package does.
std::unique_ptr<Detector> make_package_detector(const ModelPackage& package);

// The detector of a config, with the weights of MODEL.WEIGHTS. Throws ConfigError for what inference does not support,
// WeightsError when the weights do not fit. Not for int8, which needs a calibration (calibration.h).
std::unique_ptr<Detector> make_cpu_detector(const Config& config, const CompileOptions& options = {});

}  // namespace fastermask
