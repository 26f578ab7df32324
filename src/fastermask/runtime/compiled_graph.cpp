#include "fastermask/runtime/compiled_graph.h"

#include <algorithm>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/kernels/deform_conv.h"
#include "fastermask/kernels/feature_map.h"

namespace fastermask {
namespace {

// Plans kept: one for each size of picture met lately.
constexpr std::size_t kMaxPlans = 32;

// [N, C, H, W] or [R, C].
FeatureMapShape map_shape(const Shape& shape) {
  const auto side = [&](std::size_t i) { return shape.size() > i ? static_cast<int>(shape[i]) : 1; };
  return {side(0), side(2), side(3), side(1)};
}

Shape channels_last(const Shape& shape) {
  return shape.size() == 4 ? Shape{shape[0], shape[2], shape[3], shape[1]} : shape;
}

Shape channels_first(const Shape& shape) {
  return shape.size() == 4 ? Shape{shape[0], shape[3], shape[1], shape[2]} : shape;
}

DeformParams deform_params(const Layer& layer) {
  return {layer.kernel, layer.stride, layer.padding, layer.dilation, layer.offset_groups, layer.modulated};
}

std::size_t at(int index) { return static_cast<std::size_t>(index); }

}  // namespace

CompiledGraph::CompiledGraph(const Graph& graph, const CompiledWeights& weights, std::shared_ptr<ArenaPool> arenas)
    : graph_(graph), arenas_(std::move(arenas)) {
  FusedGraph fused = fuse(graph);
  outputs_ = std::move(fused.outputs);
  for (const FusedStep& step : fused.steps) {
    const Layer& layer = graph.layers[at(step.layer)];
    const auto found = weights.find(layer.name);
    LayerWeights parts = found == weights.end() ? LayerWeights{} : found->second;
    check_step_weights(graph, step, parts);
    steps_.push_back({step, layer, std::move(parts)});
  }
}

std::shared_ptr<const CompiledGraph::Plan> CompiledGraph::plan_for(const Shape& input) const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto it = plans_.begin(); it != plans_.end(); ++it) {
      if ((*it)->input != input) continue;
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front();
    }
  }
  std::shared_ptr<const Plan> plan = make_plan(input);
  const std::lock_guard<std::mutex> lock(mutex_);
  plans_.push_front(plan);
  if (plans_.size() > kMaxPlans) plans_.pop_back();
  return plan;
}

std::shared_ptr<const CompiledGraph::Plan> CompiledGraph::make_plan(const Shape& input) const {
  auto plan = std::make_shared<Plan>();
  plan->input = input;
  plan->shapes = infer_shapes(graph_, channels_first(input));
  const int end = static_cast<int>(steps_.size());
  std::vector<ValueLife> lives(plan->shapes.size() + steps_.size());
  for (int s = 0; s < end; ++s) {
    const FusedStep& fused = steps_[at(s)].fused;
    lives[at(fused.output)] = {element_count(plan->shapes[at(fused.output)]), s, s};
    for (const int read : {fused.input, fused.second_input, fused.residual}) {
      if (read > 0) lives[at(read)].last = std::max(lives[at(read)].last, s);
    }
  }
  for (const int output : outputs_) lives[at(output)].last = end;
  for (int s = 0; s < end; ++s) {
    const Step& step = steps_[at(s)];
    const FusedStep& fused = step.fused;
    // A value that dies here may be overwritten by the one made from it, element by element.
    int source = -1;
    if (step.layer.type == LayerType::relu || step.layer.type == LayerType::add ||
        step.layer.type == LayerType::average || step.layer.type == LayerType::normalisation) {
      source = fused.input;
    } else if (fused.residual > 0 && fused.residual != fused.input && fused.residual_scale == 1 &&
               step.weights.convolution->residual_in_place()) {
      source = fused.residual;
    }
    if (source > 0 && source != fused.second_input && lives[at(source)].last == s && source < fused.output)
      lives[at(fused.output)].takes_over = source;
    if (step.layer.type == LayerType::deformable_convolution) {
      const FeatureMapShape out = map_shape(plan->shapes[at(fused.layer)]);
      const std::int64_t columns =
          static_cast<std::int64_t>(step.layer.kernel) * step.layer.kernel * step.layer.in_channels;
      lives[plan->shapes.size() + at(s)] = {out.pixels() * columns, s, s};
    }
  }
  plan->memory = plan_memory(lives);
  return plan;
}

std::vector<HostTensor> CompiledGraph::run(const HostTensor& input) const {
  const std::shared_ptr<const Plan> plan = plan_for(input.shape);
  const std::shared_ptr<float> memory = arenas_->take(plan->memory.floats);
  std::vector<float*> values(plan->shapes.size(), nullptr);
  for (std::size_t v = 1; v < values.size(); ++v) {
    if (plan->memory.offsets[v] >= 0) values[v] = memory.get() + plan->memory.offsets[v];
  }
  values[0] = const_cast<float*>(input.data);  // only read
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const std::int64_t scratch = plan->memory.offsets[plan->shapes.size() + s];
    run_step(steps_[s], *plan, values, scratch < 0 ? nullptr : memory.get() + scratch);
  }
  std::vector<HostTensor> results;
  for (const int output : outputs_) {
    results.push_back({channels_last(plan->shapes[at(output)]), values[at(output)], memory});
    if (output == 0) results.back().owner = input.owner;
  }
  return results;
}

void CompiledGraph::run_step(const Step& step, const Plan& plan, const std::vector<float*>& values,
                             float* scratch) const {
  const FusedStep& fused = step.fused;
  const Layer& layer = step.layer;
  const float* input = values[at(fused.input)];
  float* output = values[at(fused.output)];
  const FeatureMapShape shape = map_shape(plan.shapes[at(fused.input)]);
  const float* second = fused.second_input < 0 ? nullptr : values[at(fused.second_input)];
  switch (layer.type) {
    case LayerType::convolution:
    case LayerType::deformable_convolution:
    case LayerType::deconvolution:
    case LayerType::linear: {
      ConvolutionCall call{input, shape.batch, shape.height, shape.width, output};
      if (layer.type == LayerType::linear) call.height = call.width = 1;
      if (layer.type == LayerType::deformable_convolution) {
        deform_columns({shape.batch, shape.height, shape.width, shape.channels}, deform_params(layer), input, second,
                       scratch);
        const FeatureMapShape out = map_shape(plan.shapes[at(fused.layer)]);
        call = {scratch, out.batch, out.height, out.width, output};
      }
      if (fused.residual >= 0) call.residual = values[at(fused.residual)];
      call.residual_scale = fused.residual_scale;
      call.relu = fused.relu;
      step.weights.convolution->run(call);
      return;
    }
    case LayerType::normalisation:
      if (layer.norm == NormType::group) {
        return group_norm(shape, input, layer.norm_groups, layer.norm_epsilon, step.weights.scale.data.get(),
                          step.weights.shift.data.get(), fused.relu, output);
      }
      return scale_channels(shape, input, step.weights.scale.data.get(), step.weights.shift.data.get(), fused.relu,
                            output);
    case LayerType::relu: return add_maps(shape.size(), input, nullptr, 1, true, output);
    case LayerType::add: return add_maps(shape.size(), input, second, 1, fused.relu, output);
    case LayerType::average: return add_maps(shape.size(), input, second, 0.5f, fused.relu, output);
    case LayerType::max_pool: return max_pool(shape, input, layer.kernel, layer.stride, layer.padding, output);
    case LayerType::upsample_nearest: return upsample_nearest(shape, input, layer.scale, output);
    case LayerType::upsample_bilinear: return upsample_bilinear(shape, input, layer.scale, output);
    case LayerType::spatial_mean: return spatial_mean(shape, input, output);
    case LayerType::flatten: return flatten_channels_first(shape, input, output);
    case LayerType::input: break;
  }
  fail("executor: {}: layer {} cannot be run", graph_.name, layer.name);
}

}  // namespace fastermask
