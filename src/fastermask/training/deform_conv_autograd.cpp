#include "fastermask/training/deform_conv_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include "fastermask/base/error.h"
#include "fastermask/kernels/deform_conv.h"

namespace fastermask {
namespace {

DeformParams deform_params(const Layer& layer) {
  return {layer.kernel, layer.stride, layer.padding, layer.dilation, layer.offset_groups, layer.modulated};
}

DeformShape deform_shape(const at::Tensor& input) {
  return {static_cast<int>(input.size(0)), static_cast<int>(input.size(2)), static_cast<int>(input.size(3)),
          static_cast<int>(input.size(1))};
}

// [N, C, H, W] and its offsets -> [N P Q, K K, C].
class DeformColumns : public torch::autograd::Function<DeformColumns> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& given_input,
                            const at::Tensor& given_offsets, const Layer* layer) {
    const at::Tensor input = channels_last(given_input), offsets = channels_last(given_offsets);
    context->save_for_backward({input, offsets});
    context->saved_data["layer"] = std::vector<std::int64_t>{layer->kernel,   layer->stride,        layer->padding,
                                                             layer->dilation, layer->offset_groups, layer->modulated};
    const at::Tensor columns =
        at::empty({offsets.size(0) * offsets.size(2) * offsets.size(3), layer->kernel * layer->kernel, input.size(1)},
                  input.options());
    deform_columns(deform_shape(input), deform_params(*layer), input.data_ptr<float>(), offsets.data_ptr<float>(),
                   columns.data_ptr<float>());
    return columns;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &offsets = saved[1];
    const at::Tensor gradient = gradients[0].contiguous();
    const std::vector<std::int64_t> numbers = context->saved_data["layer"].toIntVector();
    const auto number = [&numbers](std::size_t i) { return static_cast<int>(numbers[i]); };
    const DeformParams params = {number(0), number(1), number(2), number(3), number(4), number(5) != 0};
    const DeformShape shape = deform_shape(input);
    at::Tensor grad_input, grad_offsets;
    if (context->needs_input_grad(0)) {
      grad_input = at::zeros_like(input);
      deform_columns_backward_input(shape, params, offsets.data_ptr<float>(), gradient.data_ptr<float>(),
                                    grad_input.data_ptr<float>());
    }
    if (context->needs_input_grad(1)) {
      grad_offsets = at::empty_like(offsets);
      deform_columns_backward_offsets(shape, params, input.data_ptr<float>(), offsets.data_ptr<float>(),
                                      gradient.data_ptr<float>(), grad_offsets.data_ptr<float>());
    }
    return {grad_input, grad_offsets, at::Tensor()};
  }
};

}  // namespace

at::Tensor deformable_convolution(const Layer& layer, const at::Tensor& input, const at::Tensor& offsets,
                                  const at::Tensor& weight, const c10::optional<at::Tensor>& bias) {
  const DeformParams params = deform_params(layer);
  FASTERMASK_CHECK(offsets.size(0) == input.size(0) && offsets.size(1) == deform_offset_channels(params) &&
                       offsets.size(2) == deform_output_size(static_cast<int>(input.size(2)), params) &&
                       offsets.size(3) == deform_output_size(static_cast<int>(input.size(3)), params),
                   "deform_conv: {}: offsets {} do not fit an input of {}", layer.name,
                   to_string(Shape(offsets.sizes().vec())), to_string(Shape(input.sizes().vec())));
  const std::int64_t groups = layer.groups, out = weight.size(0);
  // Sampling runs on the host, whatever the device.
  const at::Tensor columns =
      DeformColumns::apply(input.to(at::kCPU), offsets.to(at::kCPU), &layer).to(input.device());
  const std::int64_t pixels = columns.size(0), taps = columns.size(1), channels = columns.size(2) / groups;
  at::Tensor product;
  if (groups == 1) {
    const at::Tensor matrix = weight.permute({0, 2, 3, 1}).reshape({out, taps * channels});
    product = at::linear(columns.view({pixels, taps * channels}), matrix, bias);
  } else {
    const at::Tensor parts =
        columns.view({pixels, taps, groups, channels}).permute({2, 0, 1, 3}).reshape({groups, pixels, taps * channels});
    const at::Tensor matrices = weight.view({groups, out / groups, channels, layer.kernel, layer.kernel})
                                    .permute({0, 3, 4, 2, 1})
                                    .reshape({groups, taps * channels, out / groups});
    product = at::bmm(parts, matrices).permute({1, 0, 2}).reshape({pixels, out});
    if (bias.has_value()) product = product + *bias;
  }
  return product.view({input.size(0), offsets.size(2), offsets.size(3), out}).permute({0, 3, 1, 2});
}

}  // namespace fastermask
