// Convolutions in integers against float convolutions of the rounded numbers.
#include "fastermask/kernels/integer_convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

struct IntegerCase {
  const char* name;
  ConvolutionGeometry geometry;
  int batch, height, width;
  int residual_scale;  // 0: no residual
  int border;          // of the input, beyond the padding
};

std::vector<float> random_floats(Random& random, std::size_t count, double low, double high) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(low + (high - low) * random.uniform());
  return values;
}

ConvolutionGeometry plain(int in, int out, int kernel, int stride = 1, int dilation = 1) {
  return {in, out, kernel, stride, kernel / 2 * dilation, dilation, 1, false};
}

class IntegerConvolutions : public testing::TestWithParam<IntegerCase> {};

// With weights that are multiples of their scale and activations that are multiples of theirs, nothing is rounded: the
// result is the float convolution's but for float32's own rounding.
TEST_P(IntegerConvolutions, EqualFloatOnRoundNumbers) {
  const IntegerCase& test = GetParam();
  const ConvolutionGeometry& g = test.geometry;
  Random random(11, RandomPurpose::test);
  const auto area = static_cast<std::size_t>(g.kernel * g.kernel);
  const auto in = static_cast<std::size_t>(g.in_channels), out = static_cast<std::size_t>(g.out_channels);
  std::vector<float> weight(in * out * area);
  for (float& value : weight) value = 0.01f * static_cast<float>(random.uniform_int(41) - 20);
  for (std::size_t k = 0; k < out; ++k)  // each filter has the largest there is, which fixes its scale
    weight[g.transposed ? k * area : k * in * area] = 0.01f * kIntegerWeightMax;
  const std::vector<float> bias = random_floats(random, out, -1, 1);
  const ActivationRange range{0.05f, 40}, out_range{0.3f, 60};
  const auto pixels = static_cast<std::size_t>(test.batch * test.height * test.width);
  std::vector<float> input(pixels * in);
  for (float& value : input) value = range.scale * static_cast<float>(random.uniform_int(128) - range.zero);
  const int down = g.output_size(test.height), across = g.output_size(test.width);
  const std::size_t results = static_cast<std::size_t>(test.batch * down * across) * out;
  const int rs = std::max(1, test.residual_scale);
  const std::vector<float> residual =
      random_floats(random, results / static_cast<std::size_t>(rs * rs), -2, 2);

  std::vector<float> expected(results);
  const PackedConvolution reference(g, weight.data(), bias.data(), ConvolutionMethod::direct);
  ConvolutionCall call{input.data(), test.batch, test.height, test.width, expected.data()};
  if (test.residual_scale > 0) call.residual = residual.data();
  call.residual_scale = rs;
  call.relu = true;
  reference.run(call);

  std::vector<Isa> isas = {Isa::generic};
  if (best_isa() != Isa::generic) isas.push_back(Isa::avx2);
  if (best_isa() == Isa::avx512) isas.push_back(Isa::avx512);
  for (const Isa isa : isas) {
    const IntegerConvolution packed(g, weight.data(), bias.data(), {}, isa);
    const IntegerConvolution convolution(g, packed.weights(), isa);  // as a package does
    const int border = g.padding + test.border;
    std::vector<std::uint8_t> map(integer_map_bytes(test.batch, test.height, test.width, g.in_channels, border), 255);
    IntegerConvolutionCall integers;
    integers.input = {map.data(), border, range};
    quantise_map(input.data(), test.batch, test.height, test.width, g.in_channels, integers.input, isa);
    integers.batch = test.batch;
    integers.height = test.height;
    integers.width = test.width;
    std::vector<float> scale, biases;
    convolution.scales_for(range, scale, biases);
    integers.scale = &scale;
    integers.bias = &biases;
    integers.residual = call.residual;
    integers.residual_scale = rs;
    integers.relu = true;
    std::vector<float> values(results, -1);
    std::vector<std::uint8_t> quantised(integer_map_bytes(test.batch, down, across, g.out_channels, 1), 255);
    integers.output = values.data();
    integers.quantised = {quantised.data(), 1, out_range};
    fill_border(test.batch, down, across, g.out_channels, integers.quantised);
    convolution.run(integers);
    std::size_t i = 0;
    for (int n = 0; n < test.batch; ++n) {
      for (int y = -1; y <= down; ++y) {
        for (int x = -1; x <= across; ++x) {
          for (int k = 0; k < g.out_channels; ++k, ++i) {
            if (y < 0 || y == down || x < 0 || x == across) {
              ASSERT_EQ(quantised[i], out_range.zero) << "border";
              continue;
            }
            const auto at = static_cast<std::size_t>(((n * down + y) * across + x) * g.out_channels + k);
            ASSERT_NEAR(values[at], expected[at], 2e-4f * std::max(1.0f, std::fabs(expected[at])))
                << "image " << n << " y " << y << " x " << x << " channel " << k;
            const float q = std::clamp(values[at] / out_range.scale + static_cast<float>(out_range.zero), 0.0f, 127.0f);
            ASSERT_NEAR(quantised[i], q, 0.501f);
          }
        }
      }
    }
    // Only one of the two forms is asked for.
    std::vector<std::uint8_t> alone(quantised.size(), 255);
    integers.output = nullptr;
    integers.quantised.data = alone.data();
    fill_border(test.batch, down, across, g.out_channels, integers.quantised);
    convolution.run(integers);
    EXPECT_EQ(alone, quantised);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Geometries, IntegerConvolutions,
    testing::Values(IntegerCase{"pointwise", plain(64, 96, 1), 2, 9, 13, 1, 0},
                    IntegerCase{"pointwise_bordered", plain(32, 20, 1), 2, 5, 7, 0, 1},
                    IntegerCase{"pointwise_strided", plain(24, 40, 1, 2), 1, 9, 12, 0, 0},
                    IntegerCase{"lateral", plain(48, 64, 1), 2, 6, 10, 2, 0},
                    IntegerCase{"window", plain(32, 48, 3), 2, 11, 14, 1, 0},
                    IntegerCase{"window_strided", plain(16, 16, 3, 2), 2, 11, 14, 0, 1},
                    IntegerCase{"dilated", plain(40, 16, 3, 1, 2), 1, 12, 9, 1, 0},
                    IntegerCase{"odd_channels", plain(5, 3, 3), 1, 8, 8, 0, 0},
                    IntegerCase{"one_line_left", {8, 16, 3, 1, 0, 1, 1, false}, 2, 3, 6, 0, 0},
                    IntegerCase{"linear", plain(9000, 24, 1), 7, 1, 1, 0, 0},
                    IntegerCase{"transposed", {32, 24, 2, 2, 0, 1, 1, true}, 3, 5, 7, 0, 0}),
    [](const testing::TestParamInfo<IntegerCase>& test) { return std::string(test.param.name); });

TEST(IntegerConvolution, RoundsEachChannelByItself) {
  const ConvolutionGeometry g = plain(64, 16, 1);
  Random random(3, RandomPurpose::test);
  std::vector<float> weight = random_floats(random, 64 * 16, -1, 1);
  for (int c = 0; c < 64; ++c) weight[static_cast<std::size_t>(64 + c)] *= 0.001f;
  const std::vector<float> bias(16, 0.0f);
  const IntegerConvolution convolution(g, weight.data(), bias.data(), {});
  EXPECT_NEAR(convolution.weights().scale.data.get()[0], 1.0f / kIntegerWeightMax, 0.2f / kIntegerWeightMax);
  EXPECT_NEAR(convolution.weights().scale.data.get()[1], 0.001f / kIntegerWeightMax, 0.0002f / kIntegerWeightMax);
}

TEST(IntegerConvolution, TheBiasMakesUpForTheMeanErrorOfRounding) {
  const ConvolutionGeometry g = plain(64, 16, 1);
  Random random(4, RandomPurpose::test);
  const std::vector<float> weight = random_floats(random, 64 * 16, -1, 1), bias(16, 0.0f), means(64, 2.0f);
  const IntegerConvolution plain_bias(g, weight.data(), bias.data(), {}), corrected(g, weight.data(), bias.data(), means);
  for (std::size_t k = 0; k < 16; ++k) {
    double exact = 0;
    for (std::size_t c = 0; c < 64; ++c) exact += 2.0 * weight[k * 64 + c];
    const auto output = [&](const IntegerConvolution& convolution) {
      const IntegerWeights& w = convolution.weights();
      return 2.0 * w.scale.data.get()[k] * w.sum.data.get()[k] + w.bias.data.get()[k];
    };
    EXPECT_NEAR(output(corrected), exact, 1e-4);
    if (k == 0) EXPECT_GT(std::fabs(output(plain_bias) - exact), 1e-3);
  }
}

TEST(IntegerConvolution, GeometriesThatDoNotFitAreRefused) {
  EXPECT_FALSE(IntegerConvolution::fits({8, 8, 3, 1, 1, 1, 2, false}));
  EXPECT_FALSE(IntegerConvolution::fits({8, 8, 4, 2, 1, 1, 1, true}));
  const std::vector<float> weight(8 * 8 * 16, 1.0f), bias(8, 0.0f);
  EXPECT_THROW(IntegerConvolution({8, 8, 4, 2, 1, 1, 1, true}, weight.data(), bias.data(), {}), Error);
  const IntegerConvolution fitting(plain(8, 8, 1), weight.data(), bias.data(), {});
  EXPECT_THROW(IntegerConvolution(plain(8, 24, 1), fitting.weights()), Error);
}

TEST(Quantise, RoundsAndClips) {
  const std::vector<float> values = {0, 0.24f, 0.26f, -0.6f, 1e30f, -1e30f, 20, 63.4f, 100, NAN,
                                     0, 1,     2,     3,     4,     5,      6,  7,     8};
  const ActivationRange range{0.5f, 1};
  std::vector<Isa> isas = {Isa::generic};
  if (best_isa() != Isa::generic) isas.push_back(Isa::avx2);
  if (best_isa() == Isa::avx512) isas.push_back(Isa::avx512);
  for (const Isa isa : isas) {
    std::vector<std::uint8_t> out(values.size());
    integer_ops(isa).quantise(values.data(), static_cast<std::ptrdiff_t>(values.size()), range, out.data());
    const std::vector<std::uint8_t> expected = {1, 1, 2, 0, 127, 0, 41, 127, 127, 0, 1, 3, 5, 7, 9, 11, 13, 15, 17};
    EXPECT_EQ(out, expected);
  }
}

}  // namespace
}  // namespace fastermask
