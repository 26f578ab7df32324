#include "fastermask/training/sync_norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include <chrono>
#include <vector>

#include "fastermask/training/process_group.h"

namespace fastermask {
namespace {

// Adds up a vector of doubles over the processes.
void sum_over_processes(at::Tensor& values) {
  std::vector<at::Tensor> tensors = {values};
  const auto start = std::chrono::steady_clock::now();
  statistics_group()->allreduce(tensors)->wait();
  add_traffic(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
              static_cast<std::int64_t>(values.nbytes()));
}

// All dimensions but that of the channels.
std::vector<std::int64_t> other_dimensions(const at::Tensor& input) {
  std::vector<std::int64_t> dimensions = {0};
  for (std::int64_t i = 2; i < input.dim(); ++i) dimensions.push_back(i);
  return dimensions;
}

at::Tensor on_host(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); }

// [C] values as the input's channels.
at::Tensor as_channels(const at::Tensor& values, const at::Tensor& input) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(input.dim()), 1);
  shape[1] = -1;
  return values.to(input.options()).view(shape);
}

class SynchronisedNorm : public torch::autograd::Function<SynchronisedNorm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias, const NormState& state) {
    const std::int64_t channels = input.size(1);
    const auto own_count = static_cast<double>(input.numel() / channels);
    // Count, and for each channel the sum and the sum of squares, in double: exact enough to subtract.
    at::Tensor sums = at::zeros({2 * channels + 1}, at::TensorOptions(at::kDouble));
    if (own_count > 0) {
      const auto [variance, mean] = at::var_mean(input, other_dimensions(input), false);
      const at::Tensor own_mean = on_host(mean);
      sums[0] = own_count;
      sums.slice(0, 1, channels + 1).copy_(own_mean * own_count);
      sums.slice(0, channels + 1).copy_((on_host(variance) + own_mean.square()) * own_count);
    }
    sum_over_processes(sums);
    const double count = std::max(sums[0].item<double>(), 1.0);
    const at::Tensor mean = sums.slice(0, 1, channels + 1) / count;
    const at::Tensor variance = (sums.slice(0, channels + 1) / count - mean.square()).clamp_min(0);
    const auto move = [&state](const at::Tensor& running, const at::Tensor& towards) {
      at::Tensor target = running;
      target.mul_(1 - state.momentum).add_(towards.to(running.options()), state.momentum);
    };
    move(state.running_mean, mean);
    move(state.running_var, variance * (count / std::max(count - 1, 1.0)));
    const at::Tensor inverse = (variance + state.epsilon).rsqrt();
    const at::Tensor scale = inverse * on_host(weight);
    context->save_for_backward({input, weight, mean, inverse});
    context->saved_data["count"] = count;
    return input * as_channels(scale, input) + as_channels(on_host(bias) - mean * scale, input);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3];
    const at::Tensor& gradient = gradients[0];
    const double count = context->saved_data["count"].toDouble();
    const std::int64_t channels = input.size(1);
    const at::Tensor normalised = (input - as_channels(mean, input)) * as_channels(inverse, input);
    // Of this process: the gradients of bias and weight, which the reducer averages like all others.
    at::Tensor own = at::zeros({2 * channels}, at::TensorOptions(at::kDouble));
    if (input.numel() > 0) {
      own.slice(0, 0, channels).copy_(on_host(gradient.sum(other_dimensions(input))));
      own.slice(0, channels).copy_(on_host((gradient * normalised).sum(other_dimensions(input))));
    }
    at::Tensor sums = own.clone();
    sum_over_processes(sums);
    const at::Tensor mean_gradient = sums.slice(0, 0, channels) / count;
    const at::Tensor mean_product = sums.slice(0, channels) / count;
    const at::Tensor to_input =
        (gradient - as_channels(mean_gradient, input) - normalised * as_channels(mean_product, input)) *
        as_channels(inverse * on_host(weight), input);
    return {to_input, own.slice(0, channels).to(weight.options()), own.slice(0, 0, channels).to(weight.options()),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor synchronised_batch_norm(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                                   const NormState& state) {
  if (!process_group()) {
    return at::batch_norm(input, weight, bias, state.running_mean, state.running_var, true, state.momentum,
                          state.epsilon, false);
  }
  return SynchronisedNorm::apply(input, weight, bias, state);
}

}  // namespace fastermask
