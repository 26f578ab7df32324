#include "fastermask/training/linear_autograd.h"

#include <torch/csrc/autograd/custom_function.h>

#include "fastermask/base/cpu.h"
#include "fastermask/training/row_loops.h"

namespace fastermask {
namespace {

constexpr std::int64_t kLeastRows = 16;

class OwnLinear : public torch::autograd::Function<OwnLinear> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias, bool halves) {
    context->save_for_backward({input, weight});
    context->saved_data["halves"] = halves;
    return multiply_rows(pack_weight(pointwise_geometry(weight.size(1), weight.size(0)), weight, bias, numbers(halves)),
                         input);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor& input = saved[0];
    const at::Tensor& weight = saved[1];
    const ProductNumbers kind = numbers(context->saved_data["halves"].toBool());
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor to_input, to_weight, to_bias;
    if (context->needs_input_grad(0)) {
      ConvolutionGeometry back = pointwise_geometry(weight.size(0), weight.size(1));
      back.transposed = true;  // its weight is [in, out], as it lies there
      to_input = multiply_rows(pack_weight(back, weight, {}, kind), gradient);
    }
    if (context->needs_input_grad(1)) to_weight = rows_weight_gradient(input, gradient, kind);
    if (context->needs_input_grad(2)) to_bias = column_sums(gradient);
    return {to_input, to_weight, to_bias, at::Tensor()};
  }

 private:
  static ProductNumbers numbers(bool halves) { return halves ? ProductNumbers::halves : ProductNumbers::floats; }
};

}  // namespace

bool linear_suits(const at::Tensor& input, const at::Tensor& weight) {
  return input.is_cpu() && input.dim() == 2 && input.scalar_type() == at::kFloat &&
         weight.scalar_type() == at::kFloat && input.size(0) >= kLeastRows && best_isa() == Isa::avx512;
}

at::Tensor own_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                      ProductNumbers numbers) {
  return OwnLinear::apply(input, weight, bias, numbers == ProductNumbers::halves);
}

}  // namespace fastermask
