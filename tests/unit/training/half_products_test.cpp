// Convolutions and linear layers whose products are of 16-bit numbers, against LibTorch's in float32. On machines
// without units for such numbers they are float32 products, and closer still.
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <tuple>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/half_kernels.h"
#include "fastermask/training/convolution_autograd.h"
#include "fastermask/training/linear_autograd.h"
#include "fastermask/training/threads.h"
#include "unit/training/convolution_layer.h"

namespace fastermask {
namespace {

// Root mean square errors, of the values' own: rounding to bfloat16 takes 1.1e-3 of a number, in Winograd's domain some
// five times that; to float16 an eighth.
constexpr double kDirectBound = 4e-3;
constexpr double kWinogradBound = 1.2e-2;

double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).norm() / expected.norm()).item<double>();
}

struct Gradients {
  at::Tensor output, input, weight, bias;
};

// Of values whose sizes differ from pixel to pixel, as gradients' do.
class HalfConvolution : public testing::TestWithParam<Layer> {
 protected:
  HalfConvolution() {
    use_compute_threads();
    at::manual_seed(7);
    const Layer& layer = GetParam();
    input_ = at::randn({2, layer.in_channels, 37, 29}).contiguous(at::MemoryFormat::ChannelsLast);
    weight_ = at::randn({layer.out_channels, layer.in_channels, layer.kernel, layer.kernel}) * 0.1;
    bias_ = at::randn({layer.out_channels});
    const at::Tensor output = plain(input_, weight_, bias_);
    factors_ = at::randn_like(output) * at::exp(5 * at::randn({2, 1, output.size(2), output.size(3)})) * 1e-6;
  }

  static at::Tensor plain(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
    const Layer& layer = GetParam();
    return at::conv2d(input, weight, bias, layer.stride, layer.padding, layer.dilation);
  }
  static at::Tensor own(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
    return own_convolution(make_convolution_weight(GetParam(), weight, ProductNumbers::halves), input, weight, bias);
  }

  template <class Convolve>
  Gradients gradients(const Convolve& convolve) const {
    const at::Tensor input = input_.detach().requires_grad_(true), weight = weight_.detach().requires_grad_(true),
                     bias = bias_.detach().requires_grad_(true);
    const at::Tensor output = convolve(input, weight, bias);
    (output * factors_).sum().backward();
    const Gradients result{output.detach(), input.grad().clone(), weight.grad().clone(), bias.grad().clone()};
    for (const at::Tensor& leaf : {input, weight, bias}) leaf.mutable_grad() = at::Tensor();
    return result;
  }

  at::Tensor input_, weight_, bias_, factors_;
};

TEST_P(HalfConvolution, StaysNearFloat32ForwardAndBackward) {
  const Gradients got = gradients(own), expected = gradients(plain);
  const double bound = GetParam().kernel == 3 && GetParam().stride == 1 ? kWinogradBound : kDirectBound;
  EXPECT_LT(relative_error(got.output, expected.output), bound);
  EXPECT_LT(relative_error(got.input, expected.input), bound);
  EXPECT_LT(relative_error(got.weight, expected.weight), bound);
  EXPECT_LT(relative_error(got.bias, expected.bias), 1e-5);
  EXPECT_TRUE(got.output.is_contiguous(at::MemoryFormat::ChannelsLast));
  const bool in_halves = half_arithmetic() == HalfArithmetic::bfloat16
                             ? GetParam().in_channels != 3
                             : half_arithmetic() == HalfArithmetic::float16 && GetParam().in_channels != 3 &&
                                   GetParam().out_channels % 32 == 0;
  if (in_halves) {
    EXPECT_GT(relative_error(got.output, expected.output), 1e-5) << "nothing was rounded";
  }
}

TEST_P(HalfConvolution, DoesNotDependOnTheThreads) {
  const Gradients all = gradients(own);
  const SerialScope serial;
  const Gradients single = gradients(own);
  EXPECT_TRUE(at::equal(all.output, single.output));
  EXPECT_TRUE(at::equal(all.input, single.input));
  EXPECT_TRUE(at::equal(all.weight, single.weight));
}

TEST_P(HalfConvolution, ShowsAnOverflowToTheLossScaler) {
  factors_.index_put_({0, 1, 2, 3}, std::numeric_limits<float>::infinity());
  const Gradients got = gradients(own);
  EXPECT_FALSE(at::isfinite(got.weight).all().item<bool>());
  EXPECT_FALSE(at::isfinite(got.input).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Kernels, HalfConvolution,
                         testing::Values(convolution_layer(64, 96, 1, 1, 0), convolution_layer(64, 32, 1, 2, 0),
                                         convolution_layer(32, 64, 3, 1, 1), convolution_layer(32, 64, 3, 2, 1),
                                         convolution_layer(48, 16, 3, 1, 1),  // channels that float16 does not suit
                                         convolution_layer(3, 64, 7, 2, 3)),
                         [](const auto& given) {
                           const Layer& layer = given.param;
                           return "From" + std::to_string(layer.in_channels) + "To" +
                                  std::to_string(layer.out_channels) + "Kernel" + std::to_string(layer.kernel) +
                                  "Stride" + std::to_string(layer.stride);
                         });

// Few channels stay float32, forward and back, however the way back's weight lies.
TEST(HalvesFit, NoLayersOfFewChannels) {
  ConvolutionGeometry geometry;
  geometry.in_channels = 16;
  geometry.out_channels = 32;
  geometry.kernel = 3;
  geometry.padding = 1;
  for (const bool transposed : {false, true}) {
    geometry.transposed = transposed;
    EXPECT_FALSE(halves_fit(geometry));
  }
}

TEST(HalfConvolutionSuits, MapsOfSomeSizeAndChannelsThatUnitsTake) {
  const bool units = half_arithmetic() != HalfArithmetic::float32;
  const at::Tensor map = at::zeros({1, 64, 20, 20});
  EXPECT_EQ(convolution_suits(convolution_layer(64, 32, 1, 1, 0), map, ProductNumbers::halves), units);
  EXPECT_EQ(convolution_suits(convolution_layer(64, 32, 1, 2, 0), map, ProductNumbers::halves), units);
  EXPECT_FALSE(convolution_suits(convolution_layer(64, 32, 1, 1, 0), map, ProductNumbers::floats));
  EXPECT_FALSE(convolution_suits(convolution_layer(64, 32, 1, 1, 0), at::zeros({1, 64, 5, 5}), ProductNumbers::halves));
  Layer grouped = convolution_layer(64, 64, 3, 2, 1);
  grouped.groups = 4;
  EXPECT_FALSE(convolution_suits(grouped, map, ProductNumbers::halves));
}

TEST(HalfLinear, StaysNearFloat32ForwardAndBackward) {
  use_compute_threads();
  at::manual_seed(5);
  for (const auto& [rows, in, out] : {std::tuple(40, 64, 32), std::tuple(700, 1152, 96), std::tuple(700, 1152, 81)}) {
    const at::Tensor input = at::randn({rows, in}).requires_grad_(true), twin_input = input.detach().clone();
    const at::Tensor weight = at::randn({out, in}).requires_grad_(true), twin_weight = weight.detach().clone();
    const at::Tensor bias = at::randn({out}).requires_grad_(true), twin_bias = bias.detach().clone();
    for (const at::Tensor& twin : {twin_input, twin_weight, twin_bias}) twin.requires_grad_(true);
    const at::Tensor factors = at::randn({rows, out}) * at::exp(5 * at::randn({rows, 1})) * 1e-6;
    const at::Tensor got = own_linear(input, weight, bias, ProductNumbers::halves);
    const at::Tensor expected = at::linear(twin_input, twin_weight, twin_bias);
    EXPECT_LT(relative_error(got, expected), kDirectBound);
    if (half_arithmetic() != HalfArithmetic::float32 && out % 32 == 0) {
      EXPECT_GT(relative_error(got, expected), 1e-5) << "nothing was rounded";
    }
    (got * factors).sum().backward();
    (expected * factors).sum().backward();
    EXPECT_LT(relative_error(input.grad(), twin_input.grad()), kDirectBound);
    EXPECT_LT(relative_error(weight.grad(), twin_weight.grad()), kDirectBound);
    EXPECT_LT(relative_error(bias.grad(), twin_bias.grad()), 1e-5);
  }
}

}  // namespace
}  // namespace fastermask
