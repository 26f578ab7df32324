// One graph of a network made ready to run on the CPU: fused, weights packed, memory planned. No LibTorch.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "fastermask/graph/fusion.h"
#include "fastermask/runtime/arena.h"
#include "fastermask/runtime/compiled_weights.h"
#include "fastermask/runtime/memory_plan.h"
#include "fastermask/runtime/network_executor.h"

namespace fastermask {

class CompiledGraph {
 public:
  // `weights` must have an entry for each of the graph's layers that needs one.
  CompiledGraph(const Graph& graph, const CompiledWeights& weights, std::shared_ptr<ArenaPool> arenas);

  // The graph's outputs for an input [N, H, W, C] or [R, C], channels last. Their memory is theirs until the last of
  // them is gone, then it is used again. Thread-safe.
  std::vector<HostTensor> run(const HostTensor& input) const;

 private:
  struct Step {
    FusedStep fused;
    Layer layer;
    LayerWeights weights;
  };
  // Everything that depends on the input's shape.
  struct Plan {
    Shape input;
    std::vector<Shape> shapes;  // [layer], NCHW
    MemoryPlan memory;          // [layer]; then one scratch value a step
  };

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
