#include "fastermask/training/linear_autograd.h"

#include <gtest/gtest.h>

#include "fastermask/base/cpu.h"
#include "fastermask/training/threads.h"

namespace fastermask {
namespace {

double worst_difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST(OwnLinear, EqualsLibTorchForwardAndBackward) {
  use_compute_threads();
  at::manual_seed(5);
  for (const auto& [rows, in, out] : {std::tuple(40, 64, 32), std::tuple(700, 1100, 81), std::tuple(17, 5, 3)}) {
    const at::Tensor input = at::randn({rows, in}).requires_grad_(true), twin_input = input.detach().clone();
    const at::Tensor weight = at::randn({out, in}).requires_grad_(true), twin_weight = weight.detach().clone();
    const at::Tensor bias = at::randn({out}).requires_grad_(true), twin_bias = bias.detach().clone();
    for (const at::Tensor& twin : {twin_input, twin_weight, twin_bias}) twin.requires_grad_(true);
    const at::Tensor factors = at::randn({rows, out});
    const at::Tensor got = own_linear(input, weight, bias);
    const at::Tensor expected = at::linear(twin_input, twin_weight, twin_bias);
    EXPECT_LT(worst_difference(got, expected), 3e-6);
    (got * factors).sum().backward();
    (expected * factors).sum().backward();
    EXPECT_LT(worst_difference(input.grad(), twin_input.grad()), 3e-6);
    EXPECT_LT(worst_difference(weight.grad(), twin_weight.grad()), 3e-6);
    EXPECT_LT(worst_difference(bias.grad(), twin_bias.grad()), 3e-6);
  }
}

TEST(OwnLinear, TakesViewsAndComputesNoGradientThatNobodyUses) {
  const at::Tensor matrix = at::randn({32, 48}).requires_grad_(true);
  const at::Tensor rows = at::randn({24, 20, 32});
  const at::Tensor input = rows.select(1, 3);
  const at::Tensor bias = at::zeros({48});
  const at::Tensor got = own_linear(input, matrix.t(), bias);
  EXPECT_LT(worst_difference(got, at::mm(input, matrix)), 3e-6);
  got.sum().backward();
  EXPECT_LT(worst_difference(matrix.grad(), input.sum(0).unsqueeze(1).expand({32, 48})), 3e-6);
  EXPECT_FALSE(bias.grad().defined());
  EXPECT_FALSE(rows.grad().defined());
}

TEST(OwnLinear, SuitsFloatRowsOnTheCpu) {
  const at::Tensor weight = at::zeros({8, 4});
  EXPECT_EQ(linear_suits(at::zeros({64, 4}), weight), best_isa() == Isa::avx512);
  EXPECT_FALSE(linear_suits(at::zeros({3, 4}), weight));
  EXPECT_FALSE(linear_suits(at::zeros({64, 4}, at::kBFloat16), weight.to(at::kBFloat16)));
}

}  // namespace
}  // namespace fastermask
