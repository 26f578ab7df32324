// Sums of gradients that readers leave parts of, against autograd's own.
#include "fastermask/training/gradient_sum.h"

#include <gtest/gtest.h>

#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "fastermask/base/parallel.h"
#include "fastermask/training/convolution_autograd.h"
#include "fastermask/training/threads.h"
#include "unit/training/convolution_layer.h"

namespace fastermask {
namespace {

// A relu's output that convolutions of every kind, a residual sum and a layer of LibTorch's read.
class Readers : public testing::TestWithParam<ProductNumbers> {
 protected:
  Readers() {
    use_compute_threads();
    at::manual_seed(3);
    for (const Layer& layer : layers_)
      weights_.push_back((at::randn({layer.out_channels, layer.in_channels, layer.kernel, layer.kernel}) * 0.1));
    input_ = at::randn({2, 32, 21, 30}).contiguous(at::MemoryFormat::ChannelsLast);
  }

  // One conv2d for the value, whose readers follow: their gradients all meet in it.
  at::Tensor loss(bool own, const at::Tensor& input, const std::vector<at::Tensor>& weights, unsigned readers = ~0u,
                  bool relu = true) const {
    const auto convolve = [&](std::size_t i, const at::Tensor& map, const at::Tensor& residual = {}) {
      const Layer& layer = layers_[i];
      ConvolutionTail tail;
      tail.residual = residual;
      tail.relu = i == 0 && relu;
      if (own)
        return own_convolution(make_convolution_weight(layer, weights[i], GetParam()), map, weights[i], {}, tail);
      at::Tensor value = at::conv2d(map, weights[i], {}, layer.stride, layer.padding);
      if (residual.defined()) value = value + residual;
      return tail.relu ? at::relu(value) : value;
    };
    const at::Tensor value = convolve(0, input);
    at::Tensor sum = at::zeros({});
    for (std::size_t i = 1; i < layers_.size(); ++i) {
      if ((readers >> i & 1) != 0) sum = sum + convolve(i, value, i == 1 ? value : at::Tensor()).square().mean();
    }
    if ((readers & 1) != 0) sum = sum + at::avg_pool2d(value, 3).square().mean();
    return sum;
  }

  std::vector<at::Tensor> gradients(bool own, unsigned readers = ~0u, bool relu = true) const {
    const at::Tensor input = input_.detach().requires_grad_(true);
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& weight : weights_) leaves.push_back(weight.detach().requires_grad_(true));
    loss(own, input, leaves, readers, relu).backward();
    leaves.push_back(input);
    std::vector<at::Tensor> result;
    for (const at::Tensor& leaf : leaves) result.push_back(leaf.grad());
    return result;
  }

  // A relu whose input is rounded passes on other gradients.
  double bound(bool relu) const { return GetParam() == ProductNumbers::floats ? 1e-5 : relu ? 8e-2 : 2e-2; }

  const std::vector<Layer> layers_ = {convolution_layer(32, 64, 3, 1, 1), convolution_layer(64, 64, 1, 1, 0),
                                      convolution_layer(64, 32, 3, 1, 1), convolution_layer(64, 32, 1, 2, 0),
                                      convolution_layer(64, 64, 1, 2, 0), convolution_layer(64, 32, 3, 2, 1)};
  std::vector<at::Tensor> weights_;
  at::Tensor input_;
};

double relative(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).norm() / expected.norm()).item<double>();
}

TEST_P(Readers, GiveWhatAutogradSums) {
  for (const bool relu : {true, false}) {
    // All of them, one of each kind, only some that add in place, and none of ours.
    for (const unsigned readers : {0x3fu, 0x02u, 0x04u, 0x08u, 0x20u, 0x18u, 0x19u, 0x0cu, 0x01u, 0x21u}) {
      const std::vector<at::Tensor> got = gradients(true, readers, relu), expected = gradients(false, readers, relu);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].defined(), expected[i].defined());
        if (got[i].defined())
          EXPECT_LT(relative(got[i], expected[i]), bound(relu)) << "readers " << readers << ", tensor " << i;
      }
    }
  }
}

TEST_P(Readers, DoNotDependOnTheThreads) {
  const std::vector<at::Tensor> all = gradients(true);
  const SerialScope serial;
  const std::vector<at::Tensor> single = gradients(true);
  EXPECT_TRUE(at::equal(all.back(), single.back()));
  EXPECT_TRUE(at::equal(all.front(), single.front()));
}

TEST_P(Readers, MayGoBackAgain) {
  const at::Tensor input = input_.detach().requires_grad_(true);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& weight : weights_) leaves.push_back(weight.detach().requires_grad_(true));
  const at::Tensor once = loss(true, input, leaves);
  once.backward({}, true);
  const at::Tensor first = input.grad().clone();
  once.backward();
  EXPECT_LT(relative(input.grad(), 2 * first), 1e-6);
}

// Only one reader's weight is asked for: what that leaves must not turn up in the next pass, through another reader.
TEST_P(Readers, LeaveNothingForOtherPasses) {
  const auto alone = [&](bool before) {
    const at::Tensor input = input_.detach().requires_grad_(true);
    const at::Tensor weight = weights_[0].detach().requires_grad_(true),
                     other = weights_[1].detach().requires_grad_(true);
    const at::Tensor value =
        own_convolution(make_convolution_weight(layers_[0], weight, GetParam()), input, weight, {});
    const at::Tensor first = own_convolution(make_convolution_weight(layers_[1], other, GetParam()), value, other, {});
    const at::Tensor second =
        own_convolution(make_convolution_weight(layers_[2], weights_[2], GetParam()), value, weights_[2], {});
    if (before) torch::autograd::grad({first.sum()}, {other}, {}, true);
    second.square().sum().backward();
    return input.grad();
  };
  EXPECT_TRUE(at::equal(alone(true), alone(false)));
}

INSTANTIATE_TEST_SUITE_P(Numbers, Readers, testing::Values(ProductNumbers::floats, ProductNumbers::halves),
                         [](const auto& given) { return given.param == ProductNumbers::halves ? "Halves" : "Floats"; });

TEST(GradientSum, MasksAsLibTorchsRelu) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor of_relu = at::tensor({2.0f, 0.0f, kNaN, 1.0f}).view({1, 4, 1, 1});
  const at::Tensor gradient = at::tensor({kNaN, kNaN, 3.0f, 4.0f}).view({1, 4, 1, 1});
  const at::Tensor leaf = of_relu.clone().requires_grad_(true);
  sum_gradients(leaf * 1, true).backward(gradient);
  EXPECT_TRUE(std::isnan(leaf.grad()[0][0][0][0].item<float>()));  // not hidden
  EXPECT_EQ(leaf.grad()[0][1][0][0].item<float>(), 0);
  EXPECT_EQ(leaf.grad()[0][2][0][0].item<float>(), 3);
  EXPECT_EQ(leaf.grad()[0][3][0][0].item<float>(), 4);
  EXPECT_TRUE(at::allclose(leaf.grad(), at::threshold_backward(gradient, of_relu, 0), 0, 0, true));
}

TEST(GradientSum, IsWholeForHooks) {
  const at::Tensor map = at::randn({1, 32, 20, 20}), weight = at::randn({32, 32, 3, 3}) * 0.1;
  const at::Tensor leaf = map.clone().requires_grad_(true);
  const Layer layer = convolution_layer(32, 32, 3, 1, 1);
  const auto convolve = [&](const at::Tensor& value) {
    return own_convolution(make_convolution_weight(layer, weight, ProductNumbers::floats), value, weight, {}, {}, true);
  };
  const at::Tensor value = convolve(leaf);
  at::Tensor seen;
  value.register_hook([&](const at::Tensor& gradient) { seen = gradient.clone(); });
  (convolve(value).sum() + convolve(value).square().sum()).backward();
  const at::Tensor again = value.detach().requires_grad_(true);
  (convolve(again).sum() + convolve(again).square().sum()).backward();
  ASSERT_TRUE(seen.defined());
  EXPECT_LT(relative(seen, again.grad()), 1e-5);
}

TEST(GradientSum, IsNotThereWithoutGradients) {
  const at::Tensor map = at::randn({1, 2, 3, 3});
  EXPECT_EQ(gradient_sum_of(sum_gradients(map, true)), nullptr);
  GradientEdge edge;
  EXPECT_TRUE(GradientEdge::read(map, edge).is_same(map));
  EXPECT_FALSE(static_cast<bool>(edge));
}

}  // namespace
}  // namespace fastermask
