#include "fastermask/training/linear_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/linear_gradient.h"

namespace fastermask {
namespace {

constexpr std::int64_t kLeastRows = 16;

// [M, C] times packed weights: a 1x1 convolution of M pixels.
at::Tensor multiply_rows(const at::Tensor& rows, const PackedConvolution& packed) {
  const at::Tensor dense = rows.contiguous();
  at::Tensor result = at::empty({dense.size(0), packed.geometry().out_channels}, dense.options());
  ConvolutionCall call;
  call.input = dense.data_ptr<float>();
  call.batch = static_cast<int>(dense.size(0));
  call.output = result.data_ptr<float>();
  packed.run(call);
  return result;
}

ConvolutionGeometry pointwise(std::int64_t in, std::int64_t out) {
  ConvolutionGeometry geometry;
  geometry.in_channels = static_cast<int>(in);
  geometry.out_channels = static_cast<int>(out);
  return geometry;
}

class OwnLinear : public torch::autograd::Function<OwnLinear> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias) {
    context->save_for_backward({input, weight});
    const at::Tensor values = weight.contiguous(), shift = bias.contiguous();
    return multiply_rows(input, {pointwise(weight.size(1), weight.size(0)), values.data_ptr<float>(),
                                 shift.data_ptr<float>(), ConvolutionMethod::direct});
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor& input = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor to_input, to_weight, to_bias;
    if (context->needs_input_grad(0)) {
      ConvolutionGeometry back = pointwise(weight.size(0), weight.size(1));
      back.transposed = true;  // its weight is [in, out], as it lies there
      const at::Tensor values = weight.contiguous();
      to_input = multiply_rows(gradient, {back, values.data_ptr<float>(), nullptr, ConvolutionMethod::direct});
    }
    if (context->needs_input_grad(1)) {
      const at::Tensor rows = input.contiguous();
      to_weight = at::empty(weight.sizes(), rows.options());
      LinearGradientCall call;
      call.input = rows.data_ptr<float>();
      call.output_gradient = gradient.data_ptr<float>();
      call.rows = rows.size(0);
      call.in_features = static_cast<int>(weight.size(1));
      call.out_features = static_cast<int>(weight.size(0));
      call.weight_gradient = to_weight.data_ptr<float>();
      linear_weight_gradient(call);
    }
    if (context->needs_input_grad(2)) to_bias = gradient.sum(0);
    return {to_input, to_weight, to_bias};
  }
};

}  // namespace

bool linear_suits(const at::Tensor& input, const at::Tensor& weight) {
  return input.is_cpu() && input.dim() == 2 && input.scalar_type() == at::kFloat &&
         weight.scalar_type() == at::kFloat && input.size(0) >= kLeastRows && best_isa() == Isa::avx512;
}

at::Tensor own_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return OwnLinear::apply(input, weight, bias);
}

}  // namespace fastermask
