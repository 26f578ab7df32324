#include "fastermask/kernels/linear_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "plain_convolution.h"

namespace fastermask {
namespace {

struct LinearSizes {
  int rows, in, out;
};

LinearGradientCall gradient_call(const LinearSizes& sizes, const std::vector<float>& input,
                                 const std::vector<float>& gradient, std::vector<float>& result) {
  LinearGradientCall call;
  call.input = input.data();
  call.output_gradient = gradient.data();
  call.rows = sizes.rows;
  call.in_features = sizes.in;
  call.out_features = sizes.out;
  call.weight_gradient = result.data();
  return call;
}

TEST(LinearWeightGradient, EqualsTheDefinitionOnEveryInstructionSet) {
  for (const LinearSizes& sizes : std::vector<LinearSizes>{
           {1, 1, 1}, {5, 16, 8}, {7, 33, 17}, {130, 20, 81}, {512, 64, 24}, {1100, 50, 12}, {0, 9, 5}}) {
    const auto in = static_cast<std::size_t>(sizes.in), out = static_cast<std::size_t>(sizes.out);
    const auto rows = static_cast<std::size_t>(sizes.rows);
    const auto input = test_values(rows * in, 1), gradient = test_values(rows * out, 2);
    for (const Isa isa : isas()) {
      std::vector<float> result(in * out + 1, -7.0f);
      linear_weight_gradient(gradient_call(sizes, input, gradient, result), isa);
      for (std::size_t k = 0; k < out; ++k) {
        for (std::size_t c = 0; c < in; ++c) {
          double expected = 0;
          for (std::size_t m = 0; m < rows; ++m)
            expected += static_cast<double>(gradient[m * out + k]) * static_cast<double>(input[m * in + c]);
          ASSERT_NEAR(result[k * in + c], expected, 2e-6 * std::sqrt(rows + 1.0) * 10)
              << sizes.rows << " rows, " << k << ", " << c << ", " << isa_name(isa);
        }
      }
      EXPECT_EQ(result.back(), -7.0f) << "written behind the end";
    }
  }
}

// From float16 numbers where there are units for them: rounding takes 2^-11 of each, and as much of sums of 128.
TEST(LinearWeightGradient, InFloat16IsNearTheDefinition) {
  for (const LinearSizes& sizes : std::vector<LinearSizes>{
           {1, 1, 1}, {5, 16, 8}, {130, 20, 81}, {512, 64, 24}, {1100, 50, 12}, {5000, 32, 16}, {0, 9, 5}}) {
    const auto in = static_cast<std::size_t>(sizes.in), out = static_cast<std::size_t>(sizes.out);
    const auto rows = static_cast<std::size_t>(sizes.rows);
    auto input = test_values(rows * in, 1), gradient = test_values(rows * out, 2);
    // As gradients are: tiny, and of other sizes from place to place.
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] *= i / out < rows / 2 ? 1e-9f : 1e-12f;
    for (std::size_t i = 0; i < input.size(); ++i) input[i] *= 3e5f;
    std::vector<float> result(in * out + 1, -7.0f);
    LinearGradientCall call = gradient_call(sizes, input, gradient, result);
    call.in_fp16 = true;
    linear_weight_gradient(call);
    for (std::size_t k = 0; k < out; ++k) {
      for (std::size_t c = 0; c < in; ++c) {
        double expected = 0, squares = 0;
        for (std::size_t m = 0; m < rows; ++m) {
          const double product = static_cast<double>(gradient[m * out + k]) * static_cast<double>(input[m * in + c]);
          expected += product;
          squares += product * product;
        }
        ASSERT_NEAR(result[k * in + c], expected, 8e-3 * std::sqrt(squares)) << sizes.rows << " rows, " << k << ", " << c;
      }
    }
    EXPECT_EQ(result.back(), -7.0f) << "written behind the end";
  }
}

TEST(LinearWeightGradient, InFloat16KeepsWhatIsNotFinite) {
  std::vector<float> input(40 * 32, 1.0f), gradient(40 * 16, 1.0f), result(32 * 16);
  gradient[16 * 3 + 2] = std::numeric_limits<float>::infinity();
  gradient[16 * 9 + 5] = std::numeric_limits<float>::quiet_NaN();
  LinearGradientCall call = gradient_call({40, 32, 16}, input, gradient, result);
  call.in_fp16 = true;
  linear_weight_gradient(call);
  EXPECT_FALSE(std::isfinite(result[2 * 32 + 7]));
  EXPECT_FALSE(std::isfinite(result[5 * 32 + 31]));
}

TEST(LinearWeightGradient, DoesNotDependOnTheThreads) {
  const LinearSizes sizes{600, 200, 40};
  const auto input = test_values(600 * 200, 1), gradient = test_values(600 * 40, 2);
  for (const bool in_fp16 : {false, true}) {
    std::vector<float> all(200 * 40), single(200 * 40);
    LinearGradientCall call = gradient_call(sizes, input, gradient, all);
    call.in_fp16 = in_fp16;
    linear_weight_gradient(call);
    {
      const SerialScope serial;
      call.weight_gradient = single.data();
      linear_weight_gradient(call);
    }
    EXPECT_EQ(all, single);
  }
}

TEST(LinearWeightGradient, RefusesImpossibleSizes) {
  std::vector<float> values(4);
  EXPECT_THROW(linear_weight_gradient(gradient_call({1, 0, 4}, values, values, values)), Error);
}

}  // namespace
}  // namespace fastermask
