// Gradients that are 0 but at few pixels, and the backward passes that leave zeros out, against autograd's own.
#include "fastermask/training/sparse_gradient.h"

#include <gtest/gtest.h>

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>

#include "fastermask/base/parallel.h"
#include "fastermask/training/convolution_autograd.h"
#include "fastermask/training/gradient_sum.h"
#include "fastermask/training/threads.h"
#include "unit/training/convolution_layer.h"

namespace fastermask {
namespace {

double relative_norm(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).norm() / expected.norm()).item<double>();
}

at::Tensor zero_map(std::int64_t batch, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return channels_last(at::zeros({batch, channels, height, width}));
}

TEST(SparseGradient, FindsPixelsThatAreNotZero) {
  at::Tensor map = zero_map(2, 5, 40, 30);
  map.index_put_({0, 3, 0, 7}, 2.0f);
  map.index_put_({0, 1, 39, 29}, -1.0f);
  map.index_put_({1, 4, 12, 3}, std::numeric_limits<float>::quiet_NaN());
  const auto found = sparse_gradient(map);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->pixels, (std::vector<std::int64_t>{7, 39 * 30 + 29, 1200 + 12 * 30 + 3}));
  EXPECT_EQ(found->rows.size(0), 3);
  EXPECT_EQ(found->rows[0][3].item<float>(), 2);
  EXPECT_EQ(found->rows[1][1].item<float>(), -1);
  EXPECT_TRUE(found->rows[2][4].isnan().item<bool>());
}

TEST(SparseGradient, IsNothingWhereOneInSixteenPixelsOrMoreIsNotZero) {
  at::Tensor map = zero_map(1, 8, 32, 32);
  EXPECT_TRUE(sparse_gradient(map).has_value());  // no pixel at all
  const at::Tensor pixels = map.permute({0, 2, 3, 1}).view({1024, 8});
  pixels.slice(0, 5, 5 + 64).fill_(1);  // in one place
  ASSERT_TRUE(sparse_gradient(map).has_value());
  EXPECT_EQ(sparse_gradient(map)->pixels.size(), 64u);
  pixels[500].fill_(1);
  EXPECT_FALSE(sparse_gradient(map).has_value());
  map.fill_(1);
  EXPECT_FALSE(sparse_gradient(map).has_value());
}

TEST(SparseGradient, SumsUnderAGate) {
  const SparseGradient a{{2, 5}, at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({2, 2})};
  const SparseGradient b{{3, 5}, at::tensor({10.0f, 20.0f, 30.0f, 40.0f}).view({2, 2})};
  const SparseGradient sum = sum_of({a, b}, {});
  EXPECT_EQ(sum.pixels, (std::vector<std::int64_t>{2, 3, 5}));
  EXPECT_TRUE(at::equal(sum.rows, at::tensor({1.0f, 2.0f, 10.0f, 20.0f, 33.0f, 44.0f}).view({3, 2})));

  at::Tensor gate = channels_last(at::ones({1, 2, 2, 3}));
  gate.index_put_({0, 1, 1, 2}, 0.0f);  // pixel 5
  gate.index_put_({0, 0, 1, 0}, -1.0f);  // pixel 3
  EXPECT_TRUE(at::equal(sum_of({a, b}, gate).rows, at::tensor({1.0f, 2.0f, 0.0f, 20.0f, 33.0f, 0.0f}).view({3, 2})));

  at::Tensor map = channels_last(at::ones({1, 2, 2, 3}));
  add_sparse(b, gate, map);
  EXPECT_EQ(map[0][0][1][0].item<float>(), 1);   // masked
  EXPECT_EQ(map[0][1][1][0].item<float>(), 21);
  EXPECT_EQ(map[0][0][1][2].item<float>(), 31);
  EXPECT_EQ(map[0][1][1][2].item<float>(), 1);  // masked
  EXPECT_EQ(map.sum().item<float>(), 12 + 20 + 30);
}

using Case = std::tuple<Layer, ProductNumbers>;

// One convolution of a map, whose output's gradient is 0 but at some pixels, corners among them.
class SparseConvolution : public testing::TestWithParam<Case> {
 protected:
  SparseConvolution() {
    use_compute_threads();
    at::manual_seed(11);
    const Layer& layer = std::get<0>(GetParam());
    leaves_ = {at::randn({2, layer.in_channels, 36, 28}).contiguous(at::MemoryFormat::ChannelsLast),
               at::randn({layer.out_channels, layer.in_channels, layer.kernel, layer.kernel}) * 0.1,
               at::randn({layer.out_channels})};
    const at::Tensor output = at::conv2d(leaves_[0], leaves_[1], leaves_[2], layer.stride, layer.padding,
                                         layer.dilation);
    mask_ = at::zeros({2, 1, output.size(2), output.size(3)});
    for (const std::int64_t pixel : {std::int64_t{0}, std::int64_t{31}, output.size(3) - 1, mask_.numel() - 1})
      mask_.view(-1)[pixel] = 1;
    factors_ = at::randn_like(output) * mask_;
  }

  std::vector<at::Tensor> gradients(bool own, const at::Tensor& factors, int times = 1) const {
    const auto& [layer, numbers] = GetParam();
    std::vector<at::Tensor> copies;
    for (const at::Tensor& leaf : leaves_) copies.push_back(leaf.detach().clone().requires_grad_(true));
    const at::Tensor output =
        own ? own_convolution(make_convolution_weight(layer, copies[1], numbers), copies[0], copies[1], copies[2])
            : at::conv2d(copies[0], copies[1], copies[2], layer.stride, layer.padding, layer.dilation);
    const at::Tensor loss = (output * factors).sum();
    for (int i = 0; i < times; ++i) loss.backward({}, i + 1 < times);
    std::vector<at::Tensor> result;
    for (const at::Tensor& copy : copies) result.push_back(copy.grad());
    return result;
  }

  std::vector<at::Tensor> leaves_;
  at::Tensor mask_, factors_;
};

TEST_P(SparseConvolution, EqualsLibTorchBackward) {
  const std::vector<at::Tensor> got = gradients(true, factors_), expected = gradients(false, factors_);
  const double bound = std::get<1>(GetParam()) == ProductNumbers::floats ? 1e-5 : 4e-3;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].sizes(), expected[i].sizes());
    EXPECT_LT(relative_norm(got[i], expected[i]), bound) << "tensor " << i;
  }
}

TEST_P(SparseConvolution, GoesBackAgain) {
  const std::vector<at::Tensor> once = gradients(true, factors_), twice = gradients(true, factors_, 2);
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_LT(relative_norm(twice[i], 2 * once[i]), 1e-6);
}

TEST_P(SparseConvolution, HasZeroGradientsOfZeros) {
  for (const at::Tensor& gradient : gradients(true, factors_ * 0)) EXPECT_EQ(gradient.abs().max().item<float>(), 0);
}

TEST_P(SparseConvolution, DoesNotDependOnTheThreads) {
  const std::vector<at::Tensor> all = gradients(true, factors_);
  const SerialScope serial;
  const std::vector<at::Tensor> single = gradients(true, factors_);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(at::equal(all[i], single[i]));
}

TEST_P(SparseConvolution, ShowsAnOverflowToTheLossScaler) {
  factors_.index_put_({0, 0, 0, 0}, std::numeric_limits<float>::infinity());
  for (const at::Tensor& gradient : gradients(true, factors_))
    EXPECT_FALSE(at::isfinite(gradient).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(
    Layers, SparseConvolution,
    testing::Combine(testing::Values(convolution_layer(32, 64, 3, 1, 1), convolution_layer(64, 3, 1, 1, 0),
                                     convolution_layer(32, 64, 1, 2, 0), convolution_layer(32, 64, 3, 2, 1),
                                     convolution_layer(3, 32, 7, 2, 3)),
                     testing::Values(ProductNumbers::floats, ProductNumbers::halves)),
    [](const auto& given) {
      const Layer& layer = std::get<0>(given.param);
      const bool halves = std::get<1>(given.param) == ProductNumbers::halves;
      return "From" + std::to_string(layer.in_channels) + "Kernel" + std::to_string(layer.kernel) + "Stride" +
             std::to_string(layer.stride) + (halves ? "Halves" : "Floats");
    });

// The RPN's head: a 3x3 convolution with a relu and two predictors share their weights among maps, which others read,
// too; a map may have no anchor that the losses look at.
std::vector<at::Tensor> head_gradients(bool own, bool hooked, unsigned predictors) {
  at::manual_seed(12);
  const Layer layers[] = {convolution_layer(32, 64, 3, 1, 1), convolution_layer(64, 3, 1, 1, 0),
                          convolution_layer(64, 12, 1, 1, 0)};
  std::vector<at::Tensor> leaves;
  std::vector<std::shared_ptr<ConvolutionWeight>> packed;
  for (const Layer& layer : layers) {
    leaves.push_back((at::randn({layer.out_channels, layer.in_channels, layer.kernel, layer.kernel}) * 0.1)
                         .requires_grad_(true));
    leaves.push_back((at::randn({layer.out_channels}) * 0.1).requires_grad_(true));
    packed.push_back(make_convolution_weight(layer, leaves[leaves.size() - 2], ProductNumbers::floats));
  }
  at::Tensor loss = at::zeros({});
  for (const auto& [height, width, anchors] : {std::tuple(40, 48, 20), std::tuple(20, 24, 5), std::tuple(32, 32, 0)}) {
    leaves.push_back(at::randn({2, 32, height, width}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true));
    const at::Tensor before = leaves.back() * 2;
    const at::Tensor map = own ? sum_gradients(before, false, !hooked) : before;
    const auto convolve = [&](std::size_t i, const at::Tensor& input) {
      ConvolutionTail tail;
      tail.relu = i == 0;
      if (own) return own_convolution(packed[i], input, leaves[2 * i], leaves[2 * i + 1], tail, hooked);
      const at::Tensor value = at::conv2d(input, leaves[2 * i], leaves[2 * i + 1], 1, layers[i].padding);
      return tail.relu ? at::relu(value) : value;
    };
    const at::Tensor hidden = convolve(0, map);
    for (std::size_t i = 1; i < 3; ++i) {
      if ((predictors >> (i - 1) & 1) == 0) continue;
      const at::Tensor values = convolve(i, hidden).permute({0, 2, 3, 1}).reshape({-1});
      const at::Tensor chosen = at::randint(values.size(0), {anchors}, at::kLong);
      loss = loss + values.index_select(0, chosen).square().sum();
    }
    if (height == 20) loss = loss + at::avg_pool2d(map, 4).square().sum();
  }
  loss.backward();
  std::vector<at::Tensor> result;
  for (const at::Tensor& leaf : leaves) result.push_back(leaf.grad());
  return result;
}

TEST(SparseHead, GivesWhatAutogradSums) {
  use_compute_threads();
  for (const bool hooked : {false, true}) {
    for (const unsigned predictors : {3u, 1u, 2u}) {
      const std::vector<at::Tensor> got = head_gradients(true, hooked, predictors),
                                    expected = head_gradients(false, hooked, predictors);
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].defined(), expected[i].defined()) << i;
        if (!got[i].defined()) continue;
        const double size = expected[i].norm().item<double>();
        EXPECT_LE((got[i] - expected[i]).norm().item<double>(), 2e-5 * size)
            << "hooked " << hooked << ", predictors " << predictors << ", tensor " << i;
      }
    }
  }
}

}  // namespace
}  // namespace fastermask
