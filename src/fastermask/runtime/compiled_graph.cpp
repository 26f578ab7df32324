#include "fastermask/runtime/compiled_graph.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/graph/summary.h"
#include "fastermask/kernels/deform_conv.h"

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

CompiledGraph::CompiledGraph(const Graph& graph, const CompiledWeights& weights, const ValueRanges& ranges,
                             std::shared_ptr<ArenaPool> arenas)
    : graph_(graph), arenas_(std::move(arenas)) {
  FusedGraph fused = fuse(graph);
  outputs_ = std::move(fused.outputs);
  for (const FusedStep& step : fused.steps) {
    const Layer& layer = graph.layers[at(step.layer)];
    const auto found = weights.find(layer.name);
    LayerWeights parts = found == weights.end() ? LayerWeights{} : found->second;
    check_step_weights(graph, step, parts);
    steps_.push_back({step, layer, std::move(parts), {}, {}});
  }
  find_forms(ranges);
  find_halves();
  find_pairs();
}

void CompiledGraph::find_forms(const ValueRanges& ranges) {
  forms_.resize(graph_.layers.size());
  for (const int output : outputs_) forms_[at(output)].floats = true;
  for (Step& step : steps_) {
    const FusedStep& fused = step.fused;
    for (const int read : {fused.second_input, fused.residual}) {
      if (read >= 0) forms_[at(read)].floats = true;
    }
    Forms& input = forms_[at(fused.input)];
    if (!step.in_integers()) input.floats = true;
    if (step.weights.integer == nullptr) continue;
    const auto range = ranges.find(fused.input);
    if (range == ranges.end())
      fail<WeightsError>("executor: {}: {} is in int8, but the range of its input is missing", graph_.name,
                         step.layer.name);
    input.range = range->second;
    const ConvolutionGeometry& geometry = step.weights.integer->geometry();
    if (step.in_integers()) input.border = std::max(input.border, geometry.transposed ? 0 : geometry.padding);
    step.weights.integer->scales_for(range->second, step.scale, step.bias);
  }
  for (const Step& step : steps_) {
    // Only integer layers make their results in 7 bits at once; others' are rounded after.
    if (!step.in_integers() && forms_[at(step.fused.output)].border >= 0) forms_[at(step.fused.output)].floats = true;
    if (step.in_integers() && step.fused.flattened && forms_[at(step.fused.input)].border > 0)
      fail<WeightsError>("executor: {}: {} cannot be in int8 beside a convolution", graph_.name, step.layer.name);
  }
}

void CompiledGraph::find_halves() {
  std::vector<bool> possible(forms_.size(), false);
  for (const Step& step : steps_) possible[at(step.fused.output)] = step.in_integers();
  for (const Step& step : steps_) {
    if (step.in_integers()) continue;
    for (const int read : {step.fused.input, step.fused.second_input, step.fused.residual}) {
      if (read >= 0) possible[at(read)] = false;
    }
  }
  for (const int output : outputs_) possible[at(output)] = false;
  for (std::size_t i = 0; i < forms_.size(); ++i) forms_[i].halves = forms_[i].floats && possible[i];
}

// Few output channels make a 1x1 convolution as long as it takes to read its input, which two of them, as the RPN's
// predictors, can read together.
void CompiledGraph::find_pairs() {
  const auto reads_pixels = [](const Step& step) {
    const ConvolutionGeometry* const g =
        step.weights.convolution == nullptr ? nullptr : &step.weights.convolution->geometry();
    return step.layer.type == LayerType::convolution && step.weights.integer == nullptr && step.fused.residual < 0 &&
           g != nullptr && g->kernel == 1 && g->stride == 1 && g->padding == 0 && !g->transposed;
  };
  for (std::size_t s = 0; s + 1 < steps_.size(); ++s) {
    Step& step = steps_[s];
    const Step& next = steps_[s + 1];
    const bool taken = s > 0 && steps_[s - 1].with_next;
    step.with_next = !taken && step.fused.input == next.fused.input && reads_pixels(step) && reads_pixels(next);
  }
}

std::shared_ptr<const CompiledGraph::Plan> CompiledGraph::plan_for(const TensorShape& input) const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto it = plans_.begin(); it != plans_.end(); ++it) {
      if (!((*it)->input == input)) continue;
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

std::shared_ptr<const CompiledGraph::Plan> CompiledGraph::make_plan(const TensorShape& input) const {
  auto plan = std::make_shared<Plan>();
  plan->input = input;
  plan->shapes = infer_shapes(graph_, channels_first(input));
  const int end = static_cast<int>(steps_.size());
  const std::size_t values = plan->shapes.size();
  std::vector<ValueLife> lives(2 * values + steps_.size());
  ValueLife* const integers = lives.data() + values + steps_.size();
  const auto begin_life = [&](int value, int s) {
    const Forms& forms = forms_[at(value)];
    const FeatureMapShape shape = map_shape(plan->shapes[at(value)]);
    const std::int64_t floats = forms.halves ? (shape.size() + 1) / 2 : shape.size();
    if (forms.floats && value > 0) lives[at(value)] = {floats, s, s};
    if (forms.border < 0) return;
    const std::size_t bytes =
        integer_map_bytes(shape.batch, shape.height, shape.width, shape.channels, forms.border);
    integers[value] = {static_cast<std::int64_t>((bytes + sizeof(float) - 1) / sizeof(float)), s, s};
  };
  begin_life(0, 0);
  for (int s = 0; s < end; ++s) {
    const FusedStep& fused = steps_[at(s)].fused;
    begin_life(fused.output, s);
    const bool integer = steps_[at(s)].in_integers();
    if (integer) integers[fused.input].last = s;
    for (const int read : {integer ? -1 : fused.input, fused.second_input, fused.residual}) {
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
               !step.in_both() && (step.in_integers() || step.weights.convolution->residual_in_place())) {
      source = fused.residual;
    }
    if (source > 0 && source != fused.second_input && lives[at(source)].last == s && source < fused.output &&
        lives[at(fused.output)].floats > 0 && forms_[at(source)].halves == forms_[at(fused.output)].halves)
      lives[at(fused.output)].takes_over = source;
    if (step.layer.type == LayerType::deformable_convolution) {
      const FeatureMapShape out = map_shape(plan->shapes[at(fused.layer)]);
      const std::int64_t columns =
          static_cast<std::int64_t>(step.layer.kernel) * step.layer.kernel * step.layer.in_channels;
      lives[values + at(s)] = {out.pixels() * columns, s, s};
    }
  }
  plan->memory = plan_memory(lives);
  for (const int output : outputs_) plan->output_shapes.emplace_back(channels_last(plan->shapes[at(output)]));
  return plan;
}

void CompiledGraph::run(const HostTensor& input, std::vector<HostTensor>& outputs, const RunObserver* observer) const {
  outputs.clear();  // their memory may be used again
  const std::shared_ptr<const Plan> plan = plan_for(input.shape);
  const std::shared_ptr<float> memory = arenas_->take(plan->memory.floats);
  const Values values{plan->memory, memory.get(), input.data, plan->shapes.size(), steps_.size()};
  const auto show = [&](int value) {
    if (observer != nullptr && observer->value && values.floats(value) != nullptr && !forms_[at(value)].halves)
      observer->value(graph_, value, map_shape(plan->shapes[at(value)]), values.floats(value));
  };
  show(0);
  quantise_value(0, *plan, values);
  using Clock = std::chrono::steady_clock;
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const Step& step = steps_[s];
    const Clock::time_point begin = observer != nullptr && observer->time ? Clock::now() : Clock::time_point();
    run_step(s, *plan, values);
    if (observer == nullptr) continue;
    if (observer->time && (s == 0 || !steps_[s - 1].with_next)) {
      const auto flops = [&](const FusedStep& fused) {
        const Layer& layer = graph_.layers[at(fused.layer)];  // whose input is flattened, which `fused.input` may not be
        return layer_flops(layer, plan->shapes[at(layer.inputs[0])], plan->shapes[at(fused.layer)]);
      };
      const std::int64_t work = flops(step.fused) + (step.with_next ? flops(steps_[s + 1].fused) : 0);
      observer->time(step.layer, step.in_integers(), static_cast<double>(work),
                     std::chrono::duration<double>(Clock::now() - begin).count());
    }
    show(step.fused.output);
    if (observer->noise && step.in_both()) show_noise(step, *plan, values, *observer);
  }
  outputs.resize(outputs_.size());
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const int output = outputs_[i];
    outputs[i] = {plan->output_shapes[i], values.floats(output), output == 0 ? input.owner : memory};
  }
}

IntegerMap CompiledGraph::integer_map(int value, const Values& values) const {
  const Forms& forms = forms_[at(value)];
  return {values.integers(value), std::max(forms.border, 0), forms.range};
}

// Makes the 7-bit form of a value from its floats, where that is needed.
void CompiledGraph::quantise_value(int value, const Plan& plan, const Values& values) const {
  if (forms_[at(value)].border < 0) return;
  const FeatureMapShape shape = map_shape(plan.shapes[at(value)]);
  quantise_map(values.floats(value), shape.batch, shape.height, shape.width, shape.channels,
               integer_map(value, values));
}

IntegerConvolutionCall CompiledGraph::integer_call(const Step& step, const Plan& plan, const Values& values) const {
  const FusedStep& fused = step.fused;
  const FeatureMapShape shape = map_shape(plan.shapes[at(fused.input)]);
  IntegerConvolutionCall call;
  call.batch = shape.batch;
  call.height = step.layer.type == LayerType::linear ? 1 : shape.height;
  call.width = step.layer.type == LayerType::linear ? 1 : shape.width;
  call.scale = &step.scale;
  call.bias = &step.bias;
  if (fused.residual >= 0 && forms_[at(fused.residual)].halves) {
    call.half_residual = values.halves(fused.residual);
  } else if (fused.residual >= 0) {
    call.residual = values.floats(fused.residual);
  }
  call.residual_scale = fused.residual_scale;
  call.relu = fused.relu;
  return call;
}

void CompiledGraph::run_integer_step(const Step& step, const Plan& plan, const Values& values) const {
  const FusedStep& fused = step.fused;
  IntegerConvolutionCall call = integer_call(step, plan, values);
  call.input = integer_map(fused.input, values);
  if (forms_[at(fused.output)].halves) {
    call.half_output = values.halves(fused.output);
  } else {
    call.output = values.floats(fused.output);
  }
  if (forms_[at(fused.output)].border >= 0) {
    call.quantised = integer_map(fused.output, values);
    const FeatureMapShape out = map_shape(plan.shapes[at(fused.output)]);
    fill_border(out.batch, out.height, out.width, out.channels, call.quantised);
  }
  step.weights.integer->run(call);
}

void CompiledGraph::show_noise(const Step& step, const Plan& plan, const Values& values,
                               const RunObserver& observer) const {
  const FusedStep& fused = step.fused;
  const FeatureMapShape in = map_shape(plan.shapes[at(fused.input)]), out = map_shape(plan.shapes[at(fused.output)]);
  const int border = step.weights.integer->geometry().transposed ? 0 : step.weights.integer->geometry().padding;
  std::vector<std::uint8_t> map(integer_map_bytes(in.batch, in.height, in.width, in.channels, border));
  std::vector<float> results(static_cast<std::size_t>(out.size()));
  IntegerConvolutionCall call = integer_call(step, plan, values);
  call.input = {map.data(), border, forms_[at(fused.input)].range};
  quantise_map(values.floats(fused.input), in.batch, in.height, in.width, in.channels, call.input);
  call.output = results.data();
  step.weights.integer->run(call);
  const float* const exact = values.floats(fused.output);
  double noise = 0, sum = 0, squares = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const double difference = static_cast<double>(results[i]) - exact[i];
    noise += difference * difference;
    sum += exact[i];
    squares += static_cast<double>(exact[i]) * exact[i];
  }
  const double count = std::max(1.0, static_cast<double>(results.size()));
  observer.noise(step.layer.name, noise, squares - sum * sum / count);
}

void CompiledGraph::run_step(std::size_t index, const Plan& plan, const Values& values) const {
  const Step& step = steps_[index];
  if (step.in_integers()) return run_integer_step(step, plan, values);
  if (step.with_next) {
    run_pair(index, plan, values);
  } else if (index == 0 || !steps_[index - 1].with_next) {  // else that has made this one's value, too
    run_float_step(step, plan, values, values.scratch(index));
  }
  quantise_value(step.fused.output, plan, values);
}

void CompiledGraph::run_pair(std::size_t first, const Plan& plan, const Values& values) const {
  constexpr std::int64_t kBytes = 1 << 19;  // of input, which stay in the second-level cache until both have read them
  const FeatureMapShape in = map_shape(plan.shapes[at(steps_[first].fused.input)]);
  const std::int64_t block = std::max<std::int64_t>(96, kBytes / 4 / in.channels);
  parallel_for(0, (in.pixels() + block - 1) / block, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t pixel = b * block, count = std::min(block, in.pixels() - pixel);
      for (const Step* step : {&steps_[first], &steps_[first + 1]}) {
        ConvolutionCall call{values.floats(step->fused.input) + pixel * in.channels, 1, 1, static_cast<int>(count),
                             values.floats(step->fused.output) +
                                 pixel * step->weights.convolution->geometry().out_channels};
        call.relu = step->fused.relu;
        step->weights.convolution->run(call);
      }
    }
  });
}

void CompiledGraph::run_float_step(const Step& step, const Plan& plan, const Values& values, float* scratch) const {
  const FusedStep& fused = step.fused;
  const Layer& layer = step.layer;
  const float* input = values.floats(fused.input);
  float* output = values.floats(fused.output);
  const FeatureMapShape shape = map_shape(plan.shapes[at(fused.input)]);
  const float* second = fused.second_input < 0 ? nullptr : values.floats(fused.second_input);
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
      if (fused.residual >= 0) call.residual = values.floats(fused.residual);
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
