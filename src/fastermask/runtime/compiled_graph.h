// One graph of a network made ready to run on the CPU: fused, weights packed, memory planned. No LibTorch.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "fastermask/graph/fusion.h"
#include "fastermask/kernels/feature_map.h"
#include "fastermask/runtime/arena.h"
#include "fastermask/runtime/compiled_weights.h"
#include "fastermask/runtime/memory_plan.h"
#include "fastermask/runtime/network_executor.h"
#include "fastermask/runtime/quantisation.h"

namespace fastermask {

// What a run shows to whoever calibrates int8.
struct RunObserver {
  // A value of a graph as soon as it is made, as float32: [N, H, W, C] (matrices: H = W = 1).
  std::function<void(const Graph& graph, int value, const FeatureMapShape& shape, const float* data)> value;
  // Of a layer that has weights in floats and in integers: the sum of the squared differences that its integers make
  // from the same input, and of the floats' squared distances from their mean.
  std::function<void(const std::string& layer, double noise, double signal)> noise;
  // How long a step took, in seconds, and its layer_flops() (graph/summary.h). Of two that are computed together, as one:
  // with the first one's layer.
  std::function<void(const Layer& layer, bool in_integers, double flops, double seconds)> time;
};

class CompiledGraph {
 public:
  // `weights` must have an entry for each of the graph's layers that needs one; `ranges`, one for each value that an
  // integer layer reads, otherwise WeightsError. A layer with weights in floats and in integers is computed in floats.
  CompiledGraph(const Graph& graph, const CompiledWeights& weights, const ValueRanges& ranges,
                std::shared_ptr<ArenaPool> arenas);

  // Makes `outputs` the graph's outputs for an input [N, H, W, C] or [R, C], channels last. Their memory is theirs until
  // the last of them is gone, then it is used again: run again on a size met lately, nothing is allocated. Thread-safe.
  // `observer`, when given, sees the input and what each step makes, but not what only integer layers make and read.
  void run(const HostTensor& input, std::vector<HostTensor>& outputs, const RunObserver* observer = nullptr) const;

 private:
  struct Step {
    FusedStep fused;
    Layer layer;
    LayerWeights weights;
    std::vector<float> scale, bias;  // of an integer layer: for the range of its input

    bool in_integers() const { return weights.integer != nullptr && weights.convolution == nullptr; }
    bool in_both() const { return weights.integer != nullptr && weights.convolution != nullptr; }
    bool with_next = false;  // computed together with the step behind it, pixels by pixels: both read the same
  };
  // The forms a value is needed in: float32, 7 bits, or both. What only integer layers make and add is kept as bfloat16
  // numbers instead of float32: the largest maps take as long to move as to compute.
  struct Forms {
    bool floats = false;
    bool halves = false;  // where `floats`: as bfloat16
    int border = -1;  // of the map in 7 bits; -1: not needed
    ActivationRange range;
  };
  // Everything that depends on the input's shape.
  struct Plan {
    TensorShape input;
    std::vector<Shape> shapes;              // [layer], NCHW
    std::vector<TensorShape> output_shapes;  // [output], channels last
    MemoryPlan memory;                      // [layer]; then one scratch value a step; then [layer] in 7 bits
  };
  // Where a run's values lie; null where they are not needed.
  struct Values {
    const MemoryPlan& plan;
    float* memory;
    const float* input;
    std::size_t layers, steps;

    float* place(std::size_t index) const {
      return plan.offsets[index] < 0 ? nullptr : memory + plan.offsets[index];
    }
    // The input is only read.
    float* floats(int layer) const {
      return layer == 0 ? const_cast<float*>(input) : place(static_cast<std::size_t>(layer));
    }
    Bf16* halves(int layer) const { return reinterpret_cast<Bf16*>(place(static_cast<std::size_t>(layer))); }
    std::uint8_t* integers(int layer) const {
      return reinterpret_cast<std::uint8_t*>(place(layers + steps + static_cast<std::size_t>(layer)));
    }
    float* scratch(std::size_t step) const { return place(layers + step); }
  };

  std::shared_ptr<const Plan> plan_for(const TensorShape& input) const;
  std::shared_ptr<const Plan> make_plan(const TensorShape& input) const;
  void find_forms(const ValueRanges& ranges);
  void find_halves();
  void find_pairs();
  void run_step(std::size_t index, const Plan& plan, const Values& values) const;
  void run_float_step(const Step& step, const Plan& plan, const Values& values, float* scratch) const;
  void run_pair(std::size_t first, const Plan& plan, const Values& values) const;
  // All but where the input and the output lie.
  IntegerConvolutionCall integer_call(const Step& step, const Plan& plan, const Values& values) const;
  void run_integer_step(const Step& step, const Plan& plan, const Values& values) const;
  void show_noise(const Step& step, const Plan& plan, const Values& values, const RunObserver& observer) const;
  void quantise_value(int value, const Plan& plan, const Values& values) const;
  IntegerMap integer_map(int value, const Values& values) const;

  Graph graph_;
  std::vector<Step> steps_;
  std::vector<Forms> forms_;  // [layer]
  std::vector<int> outputs_;
  std::shared_ptr<ArenaPool> arenas_;
  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<const Plan>> plans_;  // the latest used first
};

}  // namespace fastermask
