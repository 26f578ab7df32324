// Packed convolutions against the obvious loops.
#include "fastermask/kernels/convolution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

std::vector<float> test_values(std::size_t count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

struct Case {
  ConvolutionGeometry geometry;
  int batch = 1;
  int height = 1;
  int width = 1;
  int residual_scale = 0;  // 0: no residual
  bool relu = false;
};

// Sums in double, one output at a time; weight as PackedConvolution takes it.
std::vector<float> plain_convolution(const Case& c, const std::vector<float>& input, const std::vector<float>& weight,
                                     const std::vector<float>& bias, const std::vector<float>& residual) {
  const auto& g = c.geometry;
  const int out_height = g.output_size(c.height);
  const int out_width = g.output_size(c.width);
  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;
  std::vector<float> output;
  for (int n = 0; n < c.batch; ++n) {
    for (int oy = 0; oy < out_height; ++oy) {
      for (int ox = 0; ox < out_width; ++ox) {
        for (int k = 0; k < g.out_channels; ++k) {
          double sum = static_cast<double>(bias[static_cast<std::size_t>(k)]);
          for (int ky = 0; ky < g.kernel; ++ky) {
            for (int kx = 0; kx < g.kernel; ++kx) {
              int y = oy * g.stride - g.padding + ky * g.dilation;
              int x = ox * g.stride - g.padding + kx * g.dilation;
              if (g.transposed) {
                y = oy + g.padding - ky;
                x = ox + g.padding - kx;
                if (y % g.stride != 0 || x % g.stride != 0) continue;
                y /= g.stride;
                x /= g.stride;
              }
              if (y < 0 || y >= c.height || x < 0 || x >= c.width) continue;
              for (int i = 0; i < group_in; ++i) {
                const int channel = k / group_out * group_in + i;
                const int filter = g.transposed ? i * g.out_channels + k : k * group_in + i;
                sum +=
                    static_cast<double>(
                        input[static_cast<std::size_t>(((n * c.height + y) * c.width + x) * g.in_channels + channel)]) *
                    static_cast<double>(weight[static_cast<std::size_t>((filter * g.kernel + ky) * g.kernel + kx)]);
              }
            }
          }
          if (c.residual_scale > 0) {
            const int s = c.residual_scale;
            sum += static_cast<double>(residual[static_cast<std::size_t>(
                ((n * (out_height / s) + oy / s) * (out_width / s) + ox / s) * g.out_channels + k)]);
          }
          output.push_back(static_cast<float>(c.relu ? std::max(sum, 0.0) : sum));
        }
      }
    }
  }
  return output;
}

// The largest difference between a packed convolution and the plain one.
double convolution_error(const Case& c, ConvolutionMethod method, Isa isa) {
  const auto& g = c.geometry;
  const auto area = static_cast<std::size_t>(g.kernel * g.kernel);
  const auto weight = test_values(static_cast<std::size_t>(g.out_channels * (g.in_channels / g.groups)) * area, 1);
  const auto bias = test_values(static_cast<std::size_t>(g.out_channels), 2);
  const auto input = test_values(static_cast<std::size_t>(c.batch * c.height * c.width * g.in_channels), 3);
  const auto outputs =
      static_cast<std::size_t>(c.batch * g.output_size(c.height) * g.output_size(c.width) * g.out_channels);
  const auto residual = test_values(c.residual_scale == 2 ? outputs / 4 : outputs, 4);
  const PackedConvolution packed(g, weight.data(), bias.data(), method, isa);
  std::vector<float> output(outputs, -100.0f);
  ConvolutionCall call{input.data(), c.batch, c.height, c.width, output.data()};
  if (c.residual_scale > 0) call.residual = residual.data();
  call.residual_scale = std::max(1, c.residual_scale);
  call.relu = c.relu;
  packed.run(call);
  const auto expected = plain_convolution(c, input, weight, bias, residual);
  double error = 0;
  for (std::size_t i = 0; i < outputs; ++i)
    error = std::max(error, static_cast<double>(std::abs(output[i] - expected[i])));
  return error;
}

std::vector<Isa> isas() {
  std::vector<Isa> all = {Isa::generic};
  if (best_isa() != Isa::generic) all.push_back(Isa::avx2);
  if (best_isa() == Isa::avx512) all.push_back(Isa::avx512);
  return all;
}

Case conv(int in, int out, int kernel, int stride, int padding, int height, int width) {
  return {{in, out, kernel, stride, padding}, 1, height, width};
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

TEST(Convolution, RefusesWhatCannotBe) {
  const std::vector<float> weight(64, 0.1f);
  EXPECT_THROW(PackedConvolution({4, 4, 1, 1, 0, 1, 3}, weight.data(), nullptr, ConvolutionMethod::direct), Error);
  EXPECT_THROW(PackedConvolution({4, 4, 1, 1, 0}, weight.data(), nullptr, ConvolutionMethod::winograd), Error);
}

}  // namespace
}  // namespace fastermask
