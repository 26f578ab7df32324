#include "fastermask/training/graph_executor.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/kernels/feature_map.h"
#include "fastermask/training/deform_conv_autograd.h"
#include "fastermask/training/flatten_autograd.h"
#include "fastermask/training/linear_autograd.h"
#include "fastermask/training/recompute.h"
#include "fastermask/training/row_loops.h"
#include "fastermask/training/sync_norm.h"

namespace fastermask {
namespace {

// Whether values are rounded to 16 bits between products.
bool rounds(Precision precision) { return precision == Precision::autocast || precision == Precision::half; }

// Without a gradient: the stem's, as a rule.
at::Tensor pooled_maximum(const Layer& layer, const at::Tensor& map) {
  const auto size = [&](std::int64_t of) { return (of + 2 * layer.padding - layer.kernel) / layer.stride + 1; };
  at::Tensor result = at::empty({map.size(0), map.size(1), size(map.size(2)), size(map.size(3))}, map.options(),
                                at::MemoryFormat::ChannelsLast);
  max_pool({static_cast<int>(map.size(0)), static_cast<int>(map.size(2)), static_cast<int>(map.size(3)),
            static_cast<int>(map.size(1))},
           map.data_ptr<float>(), layer.kernel, layer.stride, layer.padding, result.data_ptr<float>());
  return result;
}

// Whether a layer's output is a 16-bit number in that precision. Layers that only choose among their inputs' values
// (relu, max-pooling, nearest upsampling, ...) keep 16 bits by themselves.
bool gives_16_bits(const Layer& layer, Precision precision) {
  switch (layer.type) {
    case LayerType::convolution:
    case LayerType::deformable_convolution:
    case LayerType::deconvolution:
    case LayerType::linear: return rounds(precision);
    case LayerType::normalisation:
    case LayerType::add:
    case LayerType::average:
    case LayerType::upsample_bilinear:
    case LayerType::spatial_mean: return precision == Precision::half;
    default: return false;
  }
}

// What a layer belongs to, for people: by detectron2's names.
std::string stage_of(const std::string& layer_name) {
  const std::pair<const char*, const char*> stages[] = {{"backbone.fpn_", "FPN"},
                                                        {"backbone.", "backbone"},
                                                        {"proposal_generator.", "RPN head"},
                                                        {"roi_heads.mask_head", "mask head"},
                                                        {"roi_heads.keypoint_head", "keypoint head"},
                                                        {"roi_heads.", "box head"}};
  for (const auto& [prefix, stage] : stages) {
    if (layer_name.rfind(prefix, 0) == 0) return stage;
  }
  return "other layers";
}

}  // namespace

TorchGraphExecutor::TorchGraphExecutor(const Graph& graph, const ParameterStore& parameters)
    : graph_(&graph), parameters_(&parameters), last_uses_(last_uses(graph)) {
  std::set<std::string> seen;
  for (const Layer& layer : graph.layers) {
    if (!seen.insert(layer.name).second) shared_.insert(layer.name);
  }
}

const at::Tensor& TorchGraphExecutor::parameter(const Layer& layer, const char* suffix) const {
  return parameters_->tensor(layer.name + suffix);
}

at::ScalarType TorchGraphExecutor::input_numbers() const {
  const auto takes_halves = [](const Layer& layer) {
    const bool reads_input = std::find(layer.inputs.begin(), layer.inputs.end(), 0) != layer.inputs.end();
    return !reads_input || layer.type == LayerType::flatten;
  };
  const bool halves = precision_ != Precision::f32 && own_kernels_ &&
                      std::all_of(graph_->layers.begin() + 1, graph_->layers.end(), takes_halves);
  return halves ? at::kBFloat16 : at::kFloat;
}

at::Tensor TorchGraphExecutor::run_segment(const Segment& segment, const std::vector<at::Tensor>& values,
                                           bool training) {
  const auto body = [this, segment, training, count = values.size()](const std::vector<at::Tensor>& sources) {
    std::vector<at::Tensor> own(count);
    for (std::size_t i = 0; i < sources.size(); ++i) own[segment.sources[i]] = sources[i];
    again_ = at::GradMode::is_enabled();
    for (std::size_t i = segment.first; i <= segment.last; ++i) run_and_release(i, own, training);
    if (again_) forget_packed();
    again_ = false;
    return own[segment.last];
  };
  std::vector<at::Tensor> sources;
  for (const std::size_t source : segment.sources) sources.push_back(values[source]);
  return recomputed(body, sources, segment.parameters);
}

// Computes a layer's value, and gives back those that nobody reads any more.
void TorchGraphExecutor::run_and_release(std::size_t i, std::vector<at::Tensor>& values, bool training) {
  values[i] = run_layer(i, values, training);
  if (clock_ != nullptr) count_work(i, values);
  // A norm that was folded into its convolution gives what that gave.
  if (!is_folded_[i] && gives_16_bits(graph_->layers[i], precision_)) values[i] = round_to_bf16(values[i]);
  if (recorder_ != nullptr && !graph_->layers[i].name.empty()) recorder_->record(graph_->layers[i].name, values[i]);
  for (const int source : graph_->layers[i].inputs) {
    if (last_uses_[static_cast<std::size_t>(source)] == static_cast<int>(i))
      values[static_cast<std::size_t>(source)].reset();
  }
}

void TorchGraphExecutor::forget_packed() {
  for (const auto& [name, packed] : packed_) end_forward(*packed);
  packed_.clear();
}

std::vector<at::Tensor> TorchGraphExecutor::forward(const at::Tensor& input, bool training) {
  prepare();
  next_value_.reset();  // of a pass that was broken off
  std::vector<at::Tensor> values(graph_->layers.size()), outputs(graph_->outputs.size());
  values[0] = precision_ == Precision::half && input.scalar_type() == at::kFloat ? round_to_bf16(input) : input;
  std::vector<std::string> stages(clock_ == nullptr ? 0 : values.size());  // [layer]
  if (clock_ != nullptr) stages[0] = clock_->current();
  auto segment = segments_.begin();
  for (std::size_t i = 1; i < graph_->layers.size(); ++i) {
    if (clock_ != nullptr) enter_stage(i, values, stages);
    while (segment != segments_.end() && segment->first < i) ++segment;
    if (segment != segments_.end() && segment->first == i && at::GradMode::is_enabled()) {
      for (; i < segment->last; ++i) {
        if (clock_ != nullptr) enter_stage(i + 1, values, stages);
      }
      values[i] = run_segment(*segment, values, training);
      for (const std::size_t source : segment->sources) {
        if (last_uses_[source] <= static_cast<int>(i)) values[source].reset();
      }
    } else {
      run_and_release(i, values, training);
    }
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      if (graph_->outputs[o].layer != static_cast<int>(i)) continue;
      outputs[o] = (clock_ == nullptr ? values[i] : clock_->border(values[i], stages[i]));
    }
  }
  forget_packed();
  return outputs;
}

// A layer's stage is told by its name; one without parameters belongs to what feeds it.
void TorchGraphExecutor::enter_stage(std::size_t index, std::vector<at::Tensor>& values,
                                     std::vector<std::string>& stages) {
  const Layer& layer = graph_->layers[index];
  stages[index] = layer.name.empty() ? stages[static_cast<std::size_t>(layer.inputs[0])] : stage_of(layer.name);
  for (const int input : layer.inputs) {
    const auto source = static_cast<std::size_t>(input);
    if (stages[source] != stages[index]) values[source] = clock_->border(values[source], stages[source]);
  }
  if (clock_->current() != stages[index]) clock_->enter(stages[index]);
}

void TorchGraphExecutor::count_work(std::size_t index, const std::vector<at::Tensor>& values) {
  const Layer& layer = graph_->layers[index];
  if (!is_convolution(layer) && layer.type != LayerType::deconvolution && layer.type != LayerType::linear) return;
  const at::Tensor& weight = parameter(layer, ".weight");
  const at::Tensor& input = values[static_cast<std::size_t>(layer.inputs[0])];
  // Every output pixel (of a transposed convolution: input pixel) meets every weight once.
  const at::Tensor& pixels = layer.type == LayerType::deconvolution ? input : values[index];
  const double flops = 2.0 * static_cast<double>(pixels.numel() / pixels.size(1)) * static_cast<double>(weight.numel());
  clock_->count(flops, (input.requires_grad() ? 1 : 0) + (weight.requires_grad() ? 1 : 0));
}

void TorchGraphExecutor::set_recorder(LayerRecorder* recorder) {
  recorder_ = recorder;
  prepared_version_ = -1;
}

void TorchGraphExecutor::set_recompute(bool on) {
  recompute_ = on;
  prepared_version_ = -1;
}

std::shared_ptr<ConvolutionWeight> TorchGraphExecutor::packed_weight(const Layer& layer, const at::Tensor& weight) {
  const auto found = packed_.find(layer.name);
  return found != packed_.end() ? found->second : make_convolution_weight(layer, weight, numbers());
}

void TorchGraphExecutor::done_with(const Layer& layer, const std::shared_ptr<ConvolutionWeight>& packed) {
  if (shared_.count(layer.name) > 0) {
    packed_.emplace(layer.name, packed);
  } else {
    end_forward(*packed);
  }
}

at::Tensor TorchGraphExecutor::convolve_pair(std::size_t first, const at::Tensor& input) {
  ConvolutionOperands operands[2];
  for (std::size_t i = 0; i < 2; ++i) {
    const Layer& layer = graph_->layers[first + i];
    operands[i].weight = parameter(layer, ".weight");
    if (layer.has_bias) operands[i].bias = parameter(layer, ".bias");
    operands[i].packed = packed_weight(layer, operands[i].weight);
  }
  auto [value, next] = own_convolution_pair(input, operands[0], operands[1], recorder_ != nullptr);
  for (std::size_t i = 0; i < 2; ++i) done_with(graph_->layers[first + i], operands[i].packed);
  next_value_ = next;
  return value;
}

// `offsets`: of a deformable convolution, else undefined.
at::Tensor TorchGraphExecutor::convolve(std::size_t index, const std::vector<at::Tensor>& values,
                                        const at::Tensor& offsets) {
  const Layer& layer = graph_->layers[index];
  const FoldedNorm& folded = folded_[index];
  const Tail& tail = tails_[index];
  const at::Tensor& input = values[static_cast<std::size_t>(layer.inputs[0])];
  did_tail_[index] = false;
  const at::Tensor& weight = parameter(layer, ".weight");
  at::Tensor used_weight = weight;
  c10::optional<at::Tensor> bias;
  if (layer.has_bias) bias = parameter(layer, ".bias");
  if (folded.norm_layer >= 0) {
    const bool own = own_kernels_ && weight.is_cpu();
    used_weight = folded.frozen_weight.defined() ? folded.frozen_weight
                  : own                          ? scaled_rows(weight, folded.scale)
                                                 : weight * folded.scale;
    bias = folded.shift;
  }
  if (own_kernels_ && input.is_cpu() && !rounds(precision_) && !offsets.defined() &&
      convolution_suits(layer, input, numbers(), tail.does_something(), packed_.count(layer.name) > 0)) {
    if (with_next_[index]) return convolve_pair(index, input);
    const auto packed = packed_weight(layer, used_weight);
    ConvolutionTail work;
    if (tail.residual >= 0) work.residual = values[static_cast<std::size_t>(tail.residual)];
    work.residual_scale = tail.residual_scale;
    work.relu = tail.relu;
    at::Tensor output = own_convolution(packed, input, used_weight, bias.value_or(at::Tensor()), work,
                                        recorder_ != nullptr);
    did_tail_[index] = tail.does_something();
    done_with(layer, packed);
    return output;
  }
  if (is_pixel_product(layer) && own_kernels_ && !rounds(precision_) && input.is_cpu() && bias.has_value()) {
    const at::Tensor rows = channels_last(input).permute({0, 2, 3, 1}).reshape({-1, input.size(1)});
    if (linear_suits(rows, used_weight)) {
      return own_linear(rows, used_weight.view({used_weight.size(0), -1}), *bias, numbers())
          .view({input.size(0), input.size(2), input.size(3), -1})
          .permute({0, 3, 1, 2});
    }
  }
  if (offsets.defined()) {  // our own kernel, in float32
    const auto rounded = [this](const at::Tensor& value) {
      return rounds(precision_) ? round_to_bf16(value) : value;
    };
    return deformable_convolution(layer, rounded(input), offsets, rounded(used_weight), bias);
  }
  return at::conv2d(input_operand(input), weight_operand(used_weight), bias, layer.stride, layer.padding,
                    layer.dilation, layer.groups);
}

at::Tensor TorchGraphExecutor::multiply(const at::Tensor& rows, const at::Tensor& weight,
                                        const at::Tensor& bias) const {
  return own_kernels_ && linear_suits(rows, weight) ? own_linear(rows, weight, bias, numbers())
                                                    : at::linear(rows, weight, bias);
}

// A transposed convolution whose windows do not overlap is one matrix product and a shuffle: LibTorch's own transposed
// convolution goes through column buffers instead.
at::Tensor TorchGraphExecutor::deconvolve_disjoint(const at::Tensor& input, const at::Tensor& weight,
                                                   const at::Tensor& bias) const {
  const std::int64_t batch = input.size(0), height = input.size(2), width = input.size(3);
  const std::int64_t in = weight.size(0), out = weight.size(1), kernel = weight.size(2);
  const at::Tensor pixels = input.permute({0, 2, 3, 1}).reshape({batch * height * width, in});
  // [ky, kx, out, in]: so that each output pixel's channels lie together.
  const at::Tensor matrix = weight.permute({2, 3, 1, 0}).reshape({kernel * kernel * out, in});
  const at::Tensor product = multiply(pixels, matrix, bias.repeat({kernel * kernel}));
  if (own_kernels_ && product.is_cpu()) return spread_windows(product, batch, height, width, kernel);
  return product.view({batch, height, width, kernel, kernel, out})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({batch, height * kernel, width * kernel, out})
      .permute({0, 3, 1, 2});
}

at::Tensor TorchGraphExecutor::weight_operand(const at::Tensor& weight) const {
  return rounds(precision_) ? round_to_bf16(weight) : weight;
}

at::Tensor TorchGraphExecutor::input_operand(const at::Tensor& input) const {
  return precision_ == Precision::autocast ? round_to_bf16(input) : input;  // in `half` it has 16 bits already
}

at::Tensor TorchGraphExecutor::normalise(const Layer& layer, const at::Tensor& input, bool training) const {
  const at::Tensor& weight = parameter(layer, ".weight");
  const at::Tensor& bias = parameter(layer, ".bias");
  switch (layer.norm) {
    case NormType::group: return at::group_norm(input, layer.norm_groups, weight, bias, layer.norm_epsilon);
    case NormType::sync_batch:
      if (training) {
        return synchronised_batch_norm(input, weight, bias,
                                       {parameter(layer, ".running_mean"), parameter(layer, ".running_var"),
                                        again_ ? 0.0 : norm_momentum_, layer.norm_epsilon});
      }
      [[fallthrough]];
    case NormType::batch:
      return at::batch_norm(input, weight, bias, parameter(layer, ".running_mean"), parameter(layer, ".running_var"),
                            training, again_ ? 0.0 : norm_momentum_, layer.norm_epsilon, false);
    case NormType::frozen_batch: {
      const at::Tensor scale = weight * (parameter(layer, ".running_var") + layer.norm_epsilon).rsqrt();
      const at::Tensor shift = bias - parameter(layer, ".running_mean") * scale;
      return input * scale.view({1, -1, 1, 1}) + shift.view({1, -1, 1, 1});
    }
    case NormType::none: break;
  }
  return input;
}

at::Tensor TorchGraphExecutor::run_layer(std::size_t index, const std::vector<at::Tensor>& values, bool training) {
  const Layer& layer = graph_->layers[index];
  const at::Tensor& input = values[static_cast<std::size_t>(layer.inputs[0])];
  if (const int convolution = in_tail_of_[index]; convolution >= 0 && did_tail_[static_cast<std::size_t>(convolution)]) {
    return passes_on_[index] < 0 ? at::Tensor() : values[static_cast<std::size_t>(passes_on_[index])];
  }
  if (next_value_.defined()) return std::exchange(next_value_, {});
  switch (layer.type) {
    case LayerType::input: return input;
    case LayerType::convolution: return convolve(index, values, {});
    case LayerType::deformable_convolution:
      return convolve(index, values, values[static_cast<std::size_t>(layer.inputs[1])]);
    case LayerType::deconvolution: {
      const at::Tensor weight = weight_operand(parameter(layer, ".weight"));
      const at::Tensor& bias = parameter(layer, ".bias");
      const at::Tensor operand = input_operand(input);
      if (layer.kernel == layer.stride && layer.padding == 0) return deconvolve_disjoint(operand, weight, bias);
      return at::conv_transpose2d(operand, weight, bias, layer.stride, layer.padding);
    }
    case LayerType::linear:
      return multiply(input_operand(input), weight_operand(parameter(layer, ".weight")), parameter(layer, ".bias"));
    case LayerType::normalisation: return is_folded_[index] ? input : normalise(layer, input, training);
    case LayerType::relu: return in_place_[index] ? at::relu_(const_cast<at::Tensor&>(input)) : at::relu(input);
    case LayerType::add: {
      const at::Tensor& other = values[static_cast<std::size_t>(layer.inputs[1])];
      return in_place_[index] ? input.add_(other) : input + other;
    }
    case LayerType::average: return (input + values[static_cast<std::size_t>(layer.inputs[1])]) * 0.5;
    case LayerType::max_pool:
      // A one-pixel window only subsamples (the FPN's last level); max_pool2d would keep an index map for it.
      if (layer.kernel == 1 && layer.padding == 0) {
        return channels_last(input.slice(2, 0, c10::nullopt, layer.stride).slice(3, 0, c10::nullopt, layer.stride));
      }
      if (own_kernels_ && input.is_cpu() && !input.requires_grad() && input.scalar_type() == at::kFloat)
        return pooled_maximum(layer, channels_last(input));
      return at::max_pool2d(input, layer.kernel, layer.stride, layer.padding);
    case LayerType::upsample_nearest:
      return at::upsample_nearest2d(input, {input.size(2) * layer.scale, input.size(3) * layer.scale});
    case LayerType::upsample_bilinear:
      return at::upsample_bilinear2d(input, {input.size(2) * layer.scale, input.size(3) * layer.scale},
                                     false);
    case LayerType::flatten: return own_kernels_ ? flatten_map(input) : at::flatten(input, 1);
    case LayerType::spatial_mean: return input.mean({2, 3});
  }
  fail("executor: layer {} has an unknown type", layer.name);
}

}  // namespace fastermask
