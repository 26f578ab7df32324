#include "fastermask/training/convolution_autograd.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fastermask/base/cpu.h"
#include "fastermask/training/threads.h"
#include "unit/training/convolution_layer.h"

namespace fastermask {
namespace {

Layer three_by_three(int in, int out) { return convolution_layer(in, out, 3, 1, 1); }

double worst_relative(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST(OwnConvolution, EqualsLibTorchForwardAndBackward) {
  use_compute_threads();
  at::manual_seed(5);
  for (const bool with_bias : {false, true}) {
    const at::Tensor weight = (at::randn({48, 32, 3, 3}) * 0.1).requires_grad_(true);
    const at::Tensor bias = with_bias ? at::randn({48}).requires_grad_(true) : at::Tensor();
    const at::Tensor twin_weight = weight.detach().clone().requires_grad_(true);
    const at::Tensor twin_bias = with_bias ? bias.detach().clone().requires_grad_(true) : at::Tensor();
    const auto packed = make_convolution_weight(three_by_three(32, 48), weight, ProductNumbers::floats);
    at::Tensor loss = at::zeros({});
    at::Tensor twin_loss = at::zeros({});
    std::vector<at::Tensor> inputs, twins;
    for (const auto& [height, width] : {std::pair(37, 29), std::pair(8, 50)}) {  // two maps share the weight
      inputs.push_back(at::randn({2, 32, height, width}).requires_grad_(true));
      twins.push_back(inputs.back().detach().clone().requires_grad_(true));
      const at::Tensor factors = at::randn({2, 48, height, width});
      const at::Tensor got = own_convolution(packed, inputs.back(), weight, bias);
      const at::Tensor expected = at::conv2d(twins.back(), twin_weight, twin_bias, 1, 1);
      EXPECT_LT(worst_relative(got, expected), 5e-6);
      EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
      loss = loss + (got * factors).sum();
      twin_loss = twin_loss + (expected * factors).sum();
    }
    end_forward(*packed);
    loss.backward();
    twin_loss.backward();
    EXPECT_LT(worst_relative(weight.grad(), twin_weight.grad()), 1e-5);
    if (with_bias) {
      EXPECT_LT(worst_relative(bias.grad(), twin_bias.grad()), 1e-5);
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_LT(worst_relative(inputs[i].grad(), twins[i].grad()), 1e-5);
  }
}

TEST(OwnConvolution, ComputesNoGradientThatNobodyUses) {
  const at::Tensor weight = at::randn({16, 16, 3, 3});  // a frozen layer in between
  const at::Tensor input = at::randn({1, 16, 32, 32}).requires_grad_(true);
  own_convolution(make_convolution_weight(three_by_three(16, 16), weight, ProductNumbers::floats), input, weight, {}).sum().backward();
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_LT(worst_relative(input.grad(), at::conv_transpose2d(at::ones({1, 16, 32, 32}), weight, {}, 1, 1)), 1e-5);

  const at::Tensor trained = at::randn({16, 16, 3, 3}).requires_grad_(true);
  const at::Tensor picture = at::randn({1, 16, 32, 32});  // the first trained layer
  own_convolution(make_convolution_weight(three_by_three(16, 16), trained, ProductNumbers::floats), picture, trained, {}).sum().backward();
  EXPECT_FALSE(picture.grad().defined());
  EXPECT_TRUE(trained.grad().defined());
}

// conv2d, then the residual (perhaps upsampled) and a relu, step by step.
at::Tensor step_by_step(const Layer& layer, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                        const ConvolutionTail& tail) {
  at::Tensor value = at::conv2d(input, weight, bias, layer.stride, layer.padding);
  if (tail.residual.defined()) {
    value = value + (tail.residual_scale == 1 ? tail.residual
                                              : at::upsample_nearest2d(tail.residual, {value.size(2), value.size(3)}));
  }
  return tail.relu ? at::relu(value) : value;
}

TEST(OwnConvolution, TailsEqualWhatLibTorchDoesOneAfterTheOther) {
  use_compute_threads();
  at::manual_seed(6);
  Layer pointwise = three_by_three(32, 48);
  pointwise.kernel = 1;
  pointwise.padding = 0;
  Layer strided = pointwise;
  strided.stride = 2;
  for (const Layer& layer : {three_by_three(32, 48), pointwise, strided}) {
    for (const int residual_scale : {0, 1, 2}) {
      for (const bool relu : {false, true}) {
        const std::int64_t height = 36 / layer.stride, width = 28 / layer.stride;
        std::vector<at::Tensor> leaves = {at::randn({2, 32, 36, 28}), at::randn({48, 32, layer.kernel, layer.kernel}) * 0.1,
                                          at::randn({48})};
        if (residual_scale > 0) leaves.push_back(at::randn({2, 48, height / residual_scale, width / residual_scale}));
        const at::Tensor factors = at::randn({2, 48, height, width});
        const auto gradients = [&](bool own) {
          std::vector<at::Tensor> copies;
          for (const at::Tensor& leaf : leaves) copies.push_back(leaf.detach().clone().requires_grad_(true));
          ConvolutionTail tail;
          if (residual_scale > 0) tail.residual = copies[3];
          tail.residual_scale = std::max(residual_scale, 1);
          tail.relu = relu;
          const at::Tensor output =
              own ? own_convolution(make_convolution_weight(layer, copies[1], ProductNumbers::floats), copies[0],
                                    copies[1], copies[2], tail)
                  : step_by_step(layer, copies[0], copies[1], copies[2], tail);
          (output * factors).sum().backward();
          std::vector<at::Tensor> result = {output.detach()};
          for (const at::Tensor& copy : copies) result.push_back(copy.grad());
          return result;
        };
        const std::vector<at::Tensor> got = gradients(true), expected = gradients(false);
        ASSERT_EQ(got.size(), expected.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
          ASSERT_TRUE(got[i].defined());
          EXPECT_LT(worst_relative(got[i], expected[i]), 1e-5)
              << "kernel " << layer.kernel << ", stride " << layer.stride << ", residual " << residual_scale << ", relu "
              << relu << ", tensor " << i;
        }
      }
    }
  }
}

TEST(OwnConvolution, PairsGiveWhatBothGiveAlone) {
  use_compute_threads();
  at::manual_seed(8);
  const Layer layers[] = {convolution_layer(64, 3, 1, 1, 0), convolution_layer(64, 40, 1, 1, 0)};
  for (const ProductNumbers numbers : {ProductNumbers::floats, ProductNumbers::halves}) {
    std::vector<at::Tensor> leaves = {at::randn({2, 64, 61, 47}), at::randn({3, 64, 1, 1}), at::randn({40, 64, 1, 1}),
                                      at::randn({40})};
    const at::Tensor factors[] = {at::randn({2, 3, 61, 47}), at::randn({2, 40, 61, 47})};
    const auto results = [&](bool paired) {
      std::vector<at::Tensor> copies;
      for (const at::Tensor& leaf : leaves) copies.push_back(leaf.detach().clone().requires_grad_(true));
      ConvolutionOperands operands[2];
      for (std::size_t i = 0; i < 2; ++i)
        operands[i] = {make_convolution_weight(layers[i], copies[i + 1], numbers), copies[i + 1],
                       i == 1 ? copies[3] : at::Tensor()};
      std::pair<at::Tensor, at::Tensor> outputs;
      if (paired) {
        outputs = own_convolution_pair(copies[0], operands[0], operands[1]);
      } else {
        outputs.first = own_convolution(operands[0].packed, copies[0], operands[0].weight, operands[0].bias);
        outputs.second = own_convolution(operands[1].packed, copies[0], operands[1].weight, operands[1].bias);
      }
      ((outputs.first * factors[0]).sum() + (outputs.second * factors[1]).sum()).backward();
      std::vector<at::Tensor> all = {outputs.first.detach(), outputs.second.detach()};
      for (const at::Tensor& copy : copies) all.push_back(copy.grad());
      return all;
    };
    const std::vector<at::Tensor> got = results(true), expected = results(false);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(at::equal(got[i], expected[i])) << "tensor " << i;
  }
}

TEST(OwnConvolution, SuitsOnlyPlain3x3OnMapsOfSomeSize) {
  const at::Tensor large = at::zeros({1, 32, 40, 40});
  EXPECT_TRUE(convolution_suits(three_by_three(32, 64), large, ProductNumbers::floats));
  EXPECT_FALSE(convolution_suits(three_by_three(32, 64), at::zeros({1, 32, 20, 20}), ProductNumbers::floats));
  EXPECT_TRUE(convolution_suits(three_by_three(32, 64), at::zeros({8, 32, 14, 14}), ProductNumbers::floats));
  Layer layer = three_by_three(32, 64);
  layer.stride = 2;
  EXPECT_FALSE(convolution_suits(layer, large, ProductNumbers::floats));
  layer = three_by_three(32, 64);
  layer.groups = 32;
  EXPECT_FALSE(convolution_suits(layer, large, ProductNumbers::floats));
  layer = three_by_three(32, 64);
  layer.padding = layer.dilation = 2;
  EXPECT_FALSE(convolution_suits(layer, large, ProductNumbers::floats));
  // Those that need AVX-512: a picture's three channels, and 1x1 with a tail.
  const bool wide = best_isa() == Isa::avx512;
  EXPECT_EQ(convolution_suits(three_by_three(3, 64), at::zeros({1, 3, 40, 40}), ProductNumbers::floats), wide);
  layer = three_by_three(32, 64);
  layer.kernel = 1;
  layer.padding = 0;
  EXPECT_FALSE(convolution_suits(layer, large, ProductNumbers::floats));
  EXPECT_EQ(convolution_suits(layer, large, ProductNumbers::floats, true), wide);
}

}  // namespace
}  // namespace fastermask
