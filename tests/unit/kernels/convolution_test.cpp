// Packed convolutions against the obvious loops.
#include "fastermask/kernels/convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "plain_convolution.h"

namespace fastermask {
namespace {

using Case = ConvolutionCase;

// The largest difference between a packed convolution and the plain one.
double convolution_error(const Case& c, ConvolutionMethod method, Isa isa) {
  ConvolutionArrays arrays(c);
  run({c.geometry, arrays.weight.data(), arrays.bias.data(), method, isa}, c, arrays);
  const auto expected = plain_convolution(c, arrays.input, arrays.weight, arrays.bias, arrays.residual);
  double error = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    error = std::max(error, static_cast<double>(std::abs(arrays.output[i] - expected[i])));
  return error;
}

TEST(Convolution, DirectEqualsThePlainLoops) {
  std::vector<Case> cases = {
      conv(8, 16, 1, 1, 0, 5, 7),    conv(5, 3, 1, 1, 0, 3, 3),     conv(16, 40, 1, 2, 0, 7, 9),
      conv(6, 20, 3, 1, 1, 6, 11),   conv(24, 33, 3, 2, 1, 9, 8),   conv(3, 24, 7, 2, 3, 21, 30),
      conv(3, 8, 7, 2, 3, 5, 4),     conv(600, 20, 1, 1, 0, 4, 5),  conv(1100, 12, 1, 1, 0, 1, 13),
      conv(4, 4, 3, 1, 0, 5, 5),     conv(4, 4, 3, 1, 2, 2, 3),     conv(70, 5, 2, 1, 1, 3, 4),
      conv(16, 16, 3, 1, 1, 3, 301), conv(32, 16, 1, 1, 0, 1, 700), conv(20, 7, 5, 3, 2, 1, 1)};
  Case dilated = conv(20, 18, 3, 1, 2, 9, 9);
  dilated.geometry.dilation = 2;
  cases.push_back(dilated);
  Case grouped = conv(24, 40, 3, 2, 1, 7, 8);
  grouped.geometry.groups = 4;
  cases.push_back(grouped);
  Case doubled = conv(9, 10, 2, 2, 0, 3, 5);
  doubled.geometry.transposed = true;
  cases.push_back(doubled);
  Case overlapping = conv(9, 34, 4, 2, 1, 3, 5);
  overlapping.geometry.transposed = true;
  cases.push_back(overlapping);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (const Isa isa : isas()) {
      for (int variant = 0; variant < 3; ++variant) {
        Case c = cases[i];
        c.batch = 1 + variant;
        c.relu = variant > 0;
        c.residual_scale = variant == 2 ? 1 : 0;
        EXPECT_LT(convolution_error(c, ConvolutionMethod::direct, isa), 3e-5)
            << "case " << i << ", variant " << variant << ", " << isa_name(isa);
      }
    }
  }
}

TEST(Convolution, ResidualIsUpsampled) {
  for (const Isa isa : isas()) {
    Case lateral = conv(16, 24, 1, 1, 0, 6, 260);
    lateral.residual_scale = 2;
    lateral.batch = 2;
    EXPECT_LT(convolution_error(lateral, ConvolutionMethod::direct, isa), 1e-5);
    Case fast = conv(16, 16, 3, 1, 1, 6, 10);
    fast.residual_scale = 2;
    EXPECT_LT(convolution_error(fast, ConvolutionMethod::winograd, isa), 1e-4);
  }
}

TEST(Convolution, WinogradEqualsThePlainLoopsWithinItsRounding) {
  for (const Isa isa : isas()) {
    for (int variant = 0; variant < 3; ++variant) {
      for (const auto& [height, width, padding] :
           std::vector<std::tuple<int, int, int>>{{8, 8, 1}, {14, 14, 1}, {1, 1, 1}, {7, 90, 1}, {6, 5, 0}}) {
        Case c = conv(32, 48, 3, 1, padding, height, width);
        c.batch = 1 + 2 * variant;
        c.relu = variant > 0;
        c.residual_scale = variant == 2 ? 1 : 0;
        EXPECT_LT(convolution_error(c, ConvolutionMethod::winograd, isa), 1e-4) << height << "x" << width;
      }
    }
  }
}

// The way back of a 3x3 convolution of padding 1: its weight as it lies there, [in, out, 3, 3].
TEST(Convolution, WinogradTransposedEqualsThePlainLoopsWithinItsRounding) {
  for (const Isa isa : isas()) {
    for (const auto& [height, width] : std::vector<std::pair<int, int>>{{8, 8}, {1, 1}, {7, 90}, {6, 5}}) {
      Case c = conv(32, 48, 3, 1, 1, height, width);
      c.geometry.transposed = true;
      c.batch = 2;
      EXPECT_LT(convolution_error(c, ConvolutionMethod::winograd, isa), 1e-4) << height << "x" << width;
    }
  }
  Case padded = conv(32, 48, 3, 1, 0, 8, 8);
  padded.geometry.transposed = true;
  EXPECT_FALSE(PackedConvolution::winograd_fits(padded.geometry));
}

TEST(Convolution, RowsDoNotDependOnThreadsOrBatch) {
  const Case c = conv(64, 32, 3, 1, 1, 30, 40);
  const auto weight = test_values(64 * 32 * 9, 1);
  const auto input = test_values(2 * 30 * 40 * 64, 3);
  for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
    const PackedConvolution packed(c.geometry, weight.data(), nullptr, method);
    std::vector<float> both(2 * 30 * 40 * 32);
    packed.run({input.data(), 2, 30, 40, both.data()});
    std::vector<float> single(30 * 40 * 32);
    {
      const SerialScope serial;
      packed.run({input.data() + 30 * 40 * 64, 1, 30, 40, single.data()});
    }
    EXPECT_TRUE(std::equal(single.begin(), single.end(), both.begin() + 30 * 40 * 32));
  }
}

TEST(Convolution, NaNsAreNotSwallowed) {
  const std::vector<float> weight(16 * 16 * 9, 0.1f);
  std::vector<float> input(16 * 16, 1.0f);
  input[5] = std::nanf("");
  for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
    const PackedConvolution packed({16, 16, 3, 1, 1}, weight.data(), nullptr, method);
    std::vector<float> output(16 * 16);
    ConvolutionCall call{input.data(), 1, 4, 4, output.data()};
    call.relu = true;
    packed.run(call);
    EXPECT_TRUE(std::isnan(output[0]));
  }
}

TEST(Convolution, GatesCloseWhereTheyAreNotAboveZero) {
  std::vector<Case> cases = {conv(8, 16, 1, 1, 0, 5, 7),   conv(5, 3, 1, 1, 0, 3, 3),     conv(16, 40, 1, 2, 0, 7, 9),
                             conv(24, 33, 3, 2, 1, 9, 8),  conv(3, 24, 7, 2, 3, 21, 30),  conv(600, 20, 1, 1, 0, 4, 5),
                             conv(64, 96, 1, 1, 0, 12, 9), conv(16, 16, 3, 1, 1, 3, 301), conv(32, 64, 3, 1, 1, 9, 14)};
  Case doubled = conv(9, 10, 2, 2, 0, 3, 5);
  doubled.geometry.transposed = true;
  cases.push_back(doubled);
  for (Case& c : cases) c.batch = 2;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (const Isa isa : isas()) {
      for (const int residual_scale : {0, 1}) {
        for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
          Case c = cases[i];
          if (method == ConvolutionMethod::winograd && !PackedConvolution::winograd_fits(c.geometry)) continue;
          c.residual_scale = residual_scale;
          const ConvolutionArrays arrays(c);
          EXPECT_TRUE(gate_closes({c.geometry, arrays.weight.data(), arrays.bias.data(), method, isa}, c))
              << "case " << i << ", residual " << residual_scale << ", " << isa_name(isa);
          EXPECT_TRUE(gate_closes(PackedConvolution::in_bf16(c.geometry, arrays.weight.data(), arrays.bias.data(),
                                                             method, isa),
                                  c))
              << "16 bits, case " << i << ", residual " << residual_scale << ", " << isa_name(isa);
        }
      }
    }
  }
}

TEST(Convolution, GatesHideNoNaN) {
  const std::vector<float> weight(16 * 32 * 9, 0.1f), gate(16 * 32, 1.0f);
  std::vector<float> input(16 * 16, 1.0f);
  input[5] = std::nanf("");
  for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
    for (const bool halves : {false, true}) {
      const ConvolutionGeometry geometry{16, 32, 3, 1, 1};
      const PackedConvolution packed = halves ? PackedConvolution::in_bf16(geometry, weight.data(), nullptr, method)
                                              : PackedConvolution(geometry, weight.data(), nullptr, method);
      std::vector<float> output(16 * 32);
      ConvolutionCall call{input.data(), 1, 4, 4, output.data()};
      call.gate = gate.data();
      packed.run(call);
      EXPECT_TRUE(std::isnan(output[0]));
    }
  }
}

TEST(Convolution, RefusesWhatCannotBe) {
  const std::vector<float> weight(64, 0.1f);
  EXPECT_THROW(PackedConvolution({4, 4, 1, 1, 0, 1, 3}, weight.data(), nullptr, ConvolutionMethod::direct), Error);
  EXPECT_THROW(PackedConvolution({4, 4, 1, 1, 0}, weight.data(), nullptr, ConvolutionMethod::winograd), Error);
}

}  // namespace
}  // namespace fastermask
