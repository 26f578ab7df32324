// Convolutions as the definition has them, for tests to compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/kernels/convolution.h"

namespace fastermask {

inline std::vector<float> test_values(std::size_t count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

struct ConvolutionCase {
  ConvolutionGeometry geometry;
  int batch = 1;
  int height = 1;
  int width = 1;
  int residual_scale = 0;  // 0: no residual
  bool relu = false;
};

// Sums in double, one output at a time; weight as PackedConvolution takes it.
inline std::vector<float> plain_convolution(const ConvolutionCase& c, const std::vector<float>& input,
                                            const std::vector<float>& weight, const std::vector<float>& bias,
                                            const std::vector<float>& residual) {
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

struct ConvolutionArrays {
  explicit ConvolutionArrays(const ConvolutionCase& c) {
    const auto& g = c.geometry;
    weight =
        test_values(static_cast<std::size_t>(g.out_channels * (g.in_channels / g.groups) * g.kernel * g.kernel), 1);
    bias = test_values(static_cast<std::size_t>(g.out_channels), 2);
    input = test_values(static_cast<std::size_t>(c.batch * c.height * c.width * g.in_channels), 3);
    const int pixels = c.batch * g.output_size(c.height) * g.output_size(c.width);
    output.assign(static_cast<std::size_t>(pixels * g.out_channels), -100.0f);
    residual = test_values(c.residual_scale == 2 ? output.size() / 4 : output.size(), 4);
  }
  std::vector<float> weight, bias, input, residual, output;
};

// Fills arrays.output.
inline void run(const PackedConvolution& packed, const ConvolutionCase& c, ConvolutionArrays& arrays) {
  ConvolutionCall call{arrays.input.data(), c.batch, c.height, c.width, arrays.output.data()};
  if (c.residual_scale > 0) call.residual = arrays.residual.data();
  call.residual_scale = std::max(1, c.residual_scale);
  call.relu = c.relu;
  packed.run(call);
}

// Whether a gate leaves exactly those of the outputs that it should: NaN lets them pass, 0 does not.
inline bool gate_closes(const PackedConvolution& packed, const ConvolutionCase& c) {
  ConvolutionArrays arrays(c);
  run(packed, c, arrays);
  std::vector<float> gate = test_values(arrays.output.size(), 5), gated(arrays.output.size(), -100.0f);
  for (std::size_t i = 0; i < gate.size(); i += 3) gate[i] = i % 2 == 0 ? 0.0f : std::nanf("");
  ConvolutionCall call{arrays.input.data(), c.batch, c.height, c.width, gated.data()};
  if (c.residual_scale > 0) call.residual = arrays.residual.data();
  call.residual_scale = std::max(1, c.residual_scale);
  call.relu = c.relu;
  call.gate = gate.data();
  packed.run(call);
  for (std::size_t i = 0; i < gate.size(); ++i) {
    if (gated[i] != (gate[i] <= 0 ? 0.0f : arrays.output[i])) return false;
  }
  return true;
}

// Those that this machine has.
inline std::vector<Isa> isas() {
  std::vector<Isa> all = {Isa::generic};
  if (best_isa() != Isa::generic) all.push_back(Isa::avx2);
  if (best_isa() == Isa::avx512) all.push_back(Isa::avx512);
  return all;
}

inline ConvolutionCase conv(int in, int out, int kernel, int stride, int padding, int height, int width) {
  return {{in, out, kernel, stride, padding}, 1, height, width};
}

}  // namespace fastermask
