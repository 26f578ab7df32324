#include "fastermask/kernels/convolution_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

std::vector<float> random_values(std::size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

// The definition, in double.
std::vector<double> plain_gradient(const WeightGradientCall& call) {
  const int channels = call.in_channels;
  std::vector<double> sums(static_cast<std::size_t>(call.out_channels * channels * 9), 0);
  const auto pixel = [&](int n, int y, int x) {
    return (static_cast<std::ptrdiff_t>(n) * call.height + y) * call.width + x;
  };
  for (int n = 0; n < call.batch; ++n) {
    for (int y = 0; y < call.height; ++y) {
      for (int x = 0; x < call.width; ++x) {
        for (int k = 0; k < call.out_channels; ++k) {
          const double gradient = static_cast<double>(call.output_gradient[pixel(n, y, x) * call.out_channels + k]);
          for (int position = 0; position < 9; ++position) {
            const int from_y = y + position / 3 - 1;
            const int from_x = x + position % 3 - 1;
            if (from_y < 0 || from_y >= call.height || from_x < 0 || from_x >= call.width) continue;
            for (int c = 0; c < channels; ++c) {
              sums[static_cast<std::size_t>((k * channels + c) * 9 + position)] +=
                  gradient * static_cast<double>(call.input[pixel(n, from_y, from_x) * channels + c]);
            }
          }
        }
      }
    }
  }
  return sums;
}

struct GradientCase {
  int batch, height, width, in, out;
};

WeightGradientCall convolution_gradient_call(const GradientCase& sizes, const std::vector<float>& input,
                                 const std::vector<float>& gradient, std::vector<float>& result) {
  WeightGradientCall call;
  call.input = input.data();
  call.output_gradient = gradient.data();
  call.batch = sizes.batch;
  call.height = sizes.height;
  call.width = sizes.width;
  call.in_channels = sizes.in;
  call.out_channels = sizes.out;
  call.weight_gradient = result.data();
  return call;
}

TEST(ConvolutionWeightGradient, SumsOverManyTilesPieceByPiece) {
  constexpr int kSide = 300;
  const std::vector<float> input(static_cast<std::size_t>(kSide) * kSide * 16, 0.5f);
  const std::vector<float> gradient(static_cast<std::size_t>(kSide) * kSide * 16, 0.25f);
  std::vector<float> result(static_cast<std::size_t>(16) * 16 * 9);
  convolution_weight_gradient(convolution_gradient_call({1, kSide, kSide, 16, 16}, input, gradient, result));
  EXPECT_NEAR(result[4], 0.125 * kSide * kSide, 0.1);
  EXPECT_NEAR(result[8], 0.125 * (kSide - 1) * (kSide - 1), 0.1);
}

TEST(ConvolutionWeightGradient, EqualsTheDefinitionOnEveryInstructionSet) {
  Random random(9, RandomPurpose::test);
  for (const GradientCase& sizes :
       {GradientCase{1, 1, 1, 16, 16}, GradientCase{2, 7, 5, 16, 32}, GradientCase{1, 3, 900, 32, 16},
        GradientCase{3, 40, 13, 16, 48}, GradientCase{1, 2, 2, 48, 16}}) {
    const auto pixels = static_cast<std::size_t>(sizes.batch * sizes.height * sizes.width);
    const std::vector<float> input = random_values(pixels * static_cast<std::size_t>(sizes.in), random);
    const std::vector<float> gradient = random_values(pixels * static_cast<std::size_t>(sizes.out), random);
    std::vector<float> result(static_cast<std::size_t>(sizes.in * sizes.out * 9), -7);
    WeightGradientCall call = convolution_gradient_call(sizes, input, gradient, result);
    const std::vector<double> expected = plain_gradient(call);
    for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512}) {
      if (isa > best_isa()) continue;
      convolution_weight_gradient(call, isa);
      double worst = 0;
      for (std::size_t i = 0; i < result.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(result[i]) - expected[i]));
      EXPECT_LT(worst, 1e-6 * static_cast<double>(pixels) + 1e-6) << sizes.height << ' ' << sizes.width;
    }
    const std::vector<float> with_all = result;
    const SerialScope serial;
    convolution_weight_gradient(call);
    EXPECT_EQ(result, with_all) << "the number of threads changes nothing";
  }
}

// From float16 numbers where there are units for them; Winograd's transforms make their rounding some ten times larger.
TEST(ConvolutionWeightGradient, InFloat16IsNearTheDefinition) {
  Random random(9, RandomPurpose::test);
  for (const GradientCase& sizes :
       {GradientCase{1, 1, 1, 16, 16}, GradientCase{2, 7, 5, 16, 32}, GradientCase{1, 3, 900, 32, 16},
        GradientCase{3, 140, 33, 16, 48}, GradientCase{1, 2, 2, 48, 16}}) {
    const auto pixels = static_cast<std::size_t>(sizes.batch * sizes.height * sizes.width);
    std::vector<float> input = random_values(pixels * static_cast<std::size_t>(sizes.in), random);
    std::vector<float> gradient = random_values(pixels * static_cast<std::size_t>(sizes.out), random);
    for (float& value : gradient) value *= 1e-9f;
    for (float& value : input) value *= 1e6f;
    std::vector<float> result(static_cast<std::size_t>(sizes.in * sizes.out * 9), -7);
    WeightGradientCall call = convolution_gradient_call(sizes, input, gradient, result);
    call.in_fp16 = true;
    const std::vector<double> expected = plain_gradient(call);
    convolution_weight_gradient(call);
    double squares = 0, error_squares = 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
      squares += expected[i] * expected[i];
      const double error = static_cast<double>(result[i]) - expected[i];
      error_squares += error * error;
    }
    EXPECT_LT(std::sqrt(error_squares / squares), 1e-2) << sizes.height << ' ' << sizes.width;
    const std::vector<float> with_all = result;
    const SerialScope serial;
    convolution_weight_gradient(call);
    EXPECT_EQ(result, with_all) << "the number of threads changes nothing";
  }
}

}  // namespace
}  // namespace fastermask
