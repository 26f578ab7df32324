#include "fastermask/kernels/convolution_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

TEST(ConvolutionWeightGradient, SumsOverManyTilesPieceByPiece) {
  constexpr int kSide = 300;
  const std::vector<float> input(static_cast<std::size_t>(kSide) * kSide * 16, 0.5f);
  const std::vector<float> gradient(static_cast<std::size_t>(kSide) * kSide * 16, 0.25f);
  std::vector<float> result(static_cast<std::size_t>(16) * 16 * 9);
  WeightGradientCall call;
  call.input = input.data();
  call.output_gradient = gradient.data();
  call.height = call.width = kSide;
  call.in_channels = call.out_channels = 16;
  call.weight_gradient = result.data();
  convolution_weight_gradient(call);
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
    WeightGradientCall call;
    call.input = input.data();
    call.output_gradient = gradient.data();
    call.batch = sizes.batch;
    call.height = sizes.height;
    call.width = sizes.width;
    call.in_channels = sizes.in;
    call.out_channels = sizes.out;
    call.weight_gradient = result.data();
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

// Of the numbers' deviation from zero.
double relative_error(const std::vector<float>& got, const std::vector<double>& expected) {
  double error = 0, sum = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - expected[i], 2);
    sum += std::pow(expected[i], 2);
  }
  return std::sqrt(error / sum);
}

// `size` of the gradient's numbers; in a twentieth of the pixels they are a thousand times as large.
void compare_in_16_bits(const GradientCase& sizes, float size) {
  Random random(3, RandomPurpose::test);
  const auto pixels = static_cast<std::size_t>(sizes.batch * sizes.height * sizes.width);
  const std::vector<float> input = random_values(pixels * static_cast<std::size_t>(sizes.in), random);
  std::vector<float> gradient = random_values(pixels * static_cast<std::size_t>(sizes.out), random);
  for (std::size_t i = 0; i < gradient.size(); ++i)
    gradient[i] *= i / static_cast<std::size_t>(sizes.out) % 20 == 7 ? 1000 * size : size;
  std::vector<float> result(static_cast<std::size_t>(sizes.in * sizes.out * 9), -7);
  WeightGradientCall call{input.data(), gradient.data(), sizes.batch, sizes.height,
                          sizes.width,  sizes.in,        sizes.out,   result.data(), true};
  convolution_weight_gradient(call);
  EXPECT_LT(relative_error(result, plain_gradient(call)), 0.01) << sizes.height << " lines, numbers of " << size;
  const std::vector<float> with_all = result;
  const SerialScope serial;
  convolution_weight_gradient(call);
  EXPECT_EQ(result, with_all);
}

TEST(ConvolutionWeightGradient, In16BitsStaysWithinItsRounding) {
  for (const float size : {1e-12f, 1.0f, 1e10f}) {
    compare_in_16_bits({1, 1, 1, 16, 32}, size);
    compare_in_16_bits({2, 60, 90, 32, 64}, size);
    compare_in_16_bits({2, 9, 13, 48, 32}, size);
    compare_in_16_bits({1, 20, 20, 16, 48}, size);  // channels that units for 16 bits do not take
  }
}

TEST(ConvolutionWeightGradient, In16BitsZerosAndInfinitiesStayWhatTheyAre) {
  constexpr std::size_t kPixels = 12 * 12;
  std::vector<float> input(kPixels * 16, 0.5f), gradient(kPixels * 32, 0.0f), result(16 * 32 * 9, -7.0f);
  WeightGradientCall call{input.data(), gradient.data(), 1, 12, 12, 16, 32, result.data(), true};
  convolution_weight_gradient(call);
  EXPECT_EQ(result, std::vector<float>(result.size(), 0.0f));
  gradient[40 * 32 + 3] = std::numeric_limits<float>::infinity();
  convolution_weight_gradient(call);
  EXPECT_FALSE(std::isfinite(result[(3 * 16 + 5) * 9 + 4]));  // so that the step is found and skipped
}

}  // namespace
}  // namespace fastermask
