// One graph of a network made ready to run on the CPU: fused, weights packed, memory planned. No LibTorch.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fastermask/graph/fusion.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/runtime/arena.h"
#include "fastermask/runtime/memory_plan.h"
#include "fastermask/runtime/network_executor.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

struct CompileOptions {
  bool winograd = true;  // false: every convolution the direct way, as exact as float32 is
};

// Packed weights by their layers' name: layers that share weights (the RPN head's, on every level) share them here.
using PackedWeights = std::map<std::string, std::shared_ptr<const PackedConvolution>>;

class CompiledGraph {
 public:
  // `weights`: all parameters of the graph, float32, under their names. Throws Error when one is missing or has another
  // shape than the graph says.
  CompiledGraph(const Graph& graph, const NamedArrays& weights, const CompileOptions& options, PackedWeights& packed,
                std::shared_ptr<ArenaPool> arenas);

  // The graph's outputs for an input [N, H, W, C] or [R, C], channels last. Their memory is theirs until the last of
  // them is gone, then it is used again. Thread-safe.
  std::vector<HostTensor> run(const HostTensor& input) const;

 private:
  struct Step {
    FusedStep fused;
    Layer layer;
    std::shared_ptr<const PackedConvolution> convolution;
    std::vector<float> scale;  // of a norm that stands alone; a group norm's weight
    std::vector<float> shift;
  };
  // Everything that depends on the input's shape.
  struct Plan {
    Shape input;
    std::vector<Shape> shapes;  // [layer], NCHW
    MemoryPlan memory;          // [layer]; then one scratch value a step
  };

  Step make_step(const FusedStep& fused, const Graph& graph, const NamedArrays& weights, const CompileOptions& options,
                 PackedWeights& packed) const;
  std::shared_ptr<const Plan> plan_for(const Shape& input) const;
  std::shared_ptr<const Plan> make_plan(const Shape& input) const;
  void run_step(const Step& step, const Plan& plan, const std::vector<float*>& values, float* scratch) const;

  Graph graph_;
  std::vector<Step> steps_;
  std::vector<int> outputs_;
  std::shared_ptr<ArenaPool> arenas_;
  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<const Plan>> plans_;  // the latest used first
};

}  // namespace fastermask
