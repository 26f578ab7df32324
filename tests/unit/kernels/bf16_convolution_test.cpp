// Convolutions with weights in bfloat16, on processors with units for it and on others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "plain_convolution.h"

namespace fastermask {
namespace {

std::vector<float> rounded(std::vector<float> values) {
  round_to_bf16(values.data(), values.data(), static_cast<std::int64_t>(values.size()));
  return values;
}

using Arrays = ConvolutionArrays;

// Of the numbers' deviation from zero.
double relative_error(const std::vector<float>& got, const std::vector<float>& expected) {
  double error = 0, sum = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(static_cast<double>(got[i] - expected[i]), 2);
    sum += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(error / sum);
}

std::vector<ConvolutionCase> cases() {
  std::vector<ConvolutionCase> all = {
      conv(8, 16, 1, 1, 0, 5, 7),    conv(5, 3, 1, 1, 0, 3, 3),      conv(16, 40, 1, 2, 0, 7, 9),
      conv(6, 20, 3, 1, 1, 6, 11),   conv(24, 33, 3, 2, 1, 9, 8),    conv(3, 24, 7, 2, 3, 21, 30),
      conv(600, 20, 1, 1, 0, 4, 5),  conv(1100, 70, 1, 1, 0, 1, 13), conv(70, 5, 2, 1, 1, 3, 4),
      conv(16, 96, 3, 1, 1, 3, 301), conv(130, 64, 3, 2, 1, 9, 8),   conv(32, 32, 1, 1, 0, 1, 700),
      conv(20, 7, 5, 3, 2, 1, 1)};
  ConvolutionCase dilated = conv(20, 18, 3, 1, 2, 9, 9);
  dilated.geometry.dilation = 2;
  all.push_back(dilated);
  ConvolutionCase grouped = conv(24, 40, 3, 2, 1, 7, 8);
  grouped.geometry.groups = 4;
  all.push_back(grouped);
  ConvolutionCase doubled = conv(10, 64, 2, 2, 0, 3, 5);
  doubled.geometry.transposed = true;
  all.push_back(doubled);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].batch = 1 + static_cast<int>(i % 2);
    all[i].relu = i % 3 == 0;
    all[i].residual_scale = i % 4 == 0 ? 1 : 0;
  }
  ConvolutionCase lateral = conv(16, 96, 1, 1, 0, 6, 260);
  lateral.residual_scale = 2;
  all.push_back(lateral);
  return all;
}

TEST(Bf16Convolution, DirectEqualsThePlainLoopsOfRoundedNumbers) {
  for (std::size_t i = 0; i < cases().size(); ++i) {
    const ConvolutionCase c = cases()[i];
    for (const Isa isa : isas()) {
      Arrays arrays(c);
      const PackedConvolution packed = PackedConvolution::in_bf16(c.geometry, arrays.weight.data(), arrays.bias.data(),
                                                                  ConvolutionMethod::direct, isa);
      const HalfArithmetic wanted = isa == Isa::avx512 ? half_arithmetic() : HalfArithmetic::float32;
      const bool fits = wanted == HalfArithmetic::float16 ? packed.fp16_fits() : packed.pairs_fit();
      EXPECT_EQ(packed.arithmetic(), fits ? wanted : HalfArithmetic::float32);
      run(packed, c, arrays);
      const std::vector<float> expected =
          plain_convolution(c, packed.arithmetic() == HalfArithmetic::bfloat16 ? rounded(arrays.input) : arrays.input,
                            rounded(arrays.weight), arrays.bias, arrays.residual);
      if (packed.arithmetic() == HalfArithmetic::float16) {  // whose sums are rounded, too
        EXPECT_LT(relative_error(arrays.output, expected), 2e-3) << "case " << i;
        continue;
      }
      for (std::size_t o = 0; o < expected.size(); ++o)
        ASSERT_NEAR(arrays.output[o], expected[o], 5e-5) << "case " << i << ", " << isa_name(isa);
    }
  }
}

TEST(Bf16Convolution, WinogradStaysWithinItsRounding) {
  using Pack = PackedConvolution (*)(const ConvolutionGeometry&, const float*, const float*, ConvolutionMethod, Isa);
  for (const int height : {1, 14, 30}) {
    ConvolutionCase c = conv(64, 96, 3, 1, 1, height, height + 7);
    c.relu = height == 14;
    c.residual_scale = height == 30 ? 1 : 0;
    for (const bool transposed : {false, true}) {
      c.geometry.transposed = transposed;
      for (const Isa isa : isas()) {
        for (const Pack pack : {Pack{PackedConvolution::in_bf16}, Pack{PackedConvolution::in_halves}}) {
          Arrays arrays(c);
          run(pack(c.geometry, arrays.weight.data(), arrays.bias.data(), ConvolutionMethod::winograd, isa), c, arrays);
          const std::vector<float> expected =
              plain_convolution(c, arrays.input, arrays.weight, arrays.bias, arrays.residual);
          EXPECT_LT(relative_error(arrays.output, expected), 0.015) << "height " << height << ", " << isa_name(isa);
        }
      }
    }
  }
}

TEST(Bf16Convolution, WeightsArePackedAlikeForEveryInstructionSet) {
  for (const ConvolutionCase& c : cases()) {
    const Arrays arrays(c);
    const auto halves_of = [&](Isa isa) {
      return PackedConvolution::in_bf16(c.geometry, arrays.weight.data(), arrays.bias.data(), ConvolutionMethod::direct,
                                        isa)
          .packed_halves();
    };
    const SharedHalves plain = halves_of(Isa::generic), best = halves_of(best_isa());
    ASSERT_EQ(plain.size, best.size);
    EXPECT_TRUE(std::equal(plain.data.get(), plain.data.get() + plain.size, best.data.get(),
                           [](Bf16 a, Bf16 b) { return a.bits == b.bits; }));
    // And packed weights are used as they are, on any machine.
    for (const Isa isa : isas()) {
      Arrays first(c), second(c);
      run(PackedConvolution::in_bf16(c.geometry, arrays.weight.data(), arrays.bias.data(), ConvolutionMethod::direct,
                                     isa),
          c, first);
      const PackedConvolution again(
          c.geometry, ConvolutionMethod::direct, plain,
          PackedConvolution(c.geometry, arrays.weight.data(), arrays.bias.data(), ConvolutionMethod::direct, isa)
              .packed_bias(),
          isa);
      run(again, c, second);
      EXPECT_EQ(first.output, second.output);
    }
  }
}

TEST(Bf16Convolution, Float16WeightsGiveTheSameWhereverTheyAreUsed) {
  for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
    for (const ConvolutionCase& c : cases()) {
      if (method == ConvolutionMethod::winograd && !PackedConvolution::winograd_fits(c.geometry)) continue;
      const Arrays arrays(c);
      const PackedConvolution packed =
          PackedConvolution::in_bf16(c.geometry, arrays.weight.data(), arrays.bias.data(), method);
      if (packed.arithmetic() != HalfArithmetic::float16) continue;
      for (const Isa isa : isas()) {
        const PackedConvolution again(c.geometry, method, packed.fp16_weights(), packed.packed_bias(), isa);
        const PackedConvolution halves(c.geometry, method, packed.packed_halves(), packed.packed_bias(), isa);
        Arrays first(c), second(c);
        run(again, c, first);
        run(halves, c, second);
        // Below 2^-14 of a channel's power of two, bits are lost.
        EXPECT_LT(relative_error(first.output, second.output), isa == best_isa() ? 1e-9 : 1e-4) << isa_name(isa);
      }
    }
  }
}

TEST(Bf16Convolution, Float16WeightsOfAnotherGeometryAreRefused) {
  const SharedFloats scale{std::make_shared<const float>(1.0f), 1}, bias{std::make_shared<const float>(0.0f), 1};
  EXPECT_THROW(PackedConvolution({32, 32}, ConvolutionMethod::direct, Fp16Weights{{}, scale}, bias), Error);
  EXPECT_THROW(PackedConvolution({32, 16}, ConvolutionMethod::direct, Fp16Weights{{}, scale}, bias), Error);
}

TEST(Bf16Convolution, RowsDoNotDependOnThreadsOrBatch) {
  const ConvolutionCase c = conv(64, 32, 3, 1, 1, 30, 40);
  const auto weight = test_values(64 * 32 * 9, 1);
  const auto input = test_values(2 * 30 * 40 * 64, 3);
  for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
    const PackedConvolution packed = PackedConvolution::in_bf16(c.geometry, weight.data(), nullptr, method);
    std::vector<float> both(2 * 30 * 40 * 32), single(30 * 40 * 32);
    packed.run({input.data(), 2, 30, 40, both.data()});
    {
      const SerialScope serial;
      packed.run({input.data() + 30 * 40 * 64, 1, 30, 40, single.data()});
    }
    EXPECT_TRUE(std::equal(single.begin(), single.end(), both.begin() + 30 * 40 * 32));
  }
}

TEST(Bf16Convolution, LargeAndSmallNumbersKeepTheirSize) {
  for (const float size : {1e-3f, 1.0f, 2000.0f}) {
    for (const float weight_size : {1e-4f, 300.0f}) {
      for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
        ConvolutionCase c = conv(128, 32, 3, 1, 1, 9, 9);
        Arrays arrays(c);
        for (float& value : arrays.input) value *= size;
        for (float& value : arrays.weight) value *= weight_size;
        run(PackedConvolution::in_bf16(c.geometry, arrays.weight.data(), arrays.bias.data(), method), c, arrays);
        const std::vector<float> expected =
            plain_convolution(c, arrays.input, arrays.weight, arrays.bias, arrays.residual);
        EXPECT_LT(relative_error(arrays.output, expected), 0.015) << size << " x " << weight_size;
      }
    }
  }
}

TEST(Bf16Convolution, NaNsAreNotSwallowed) {
  const std::vector<float> weight(32 * 16 * 9, 0.1f);
  std::vector<float> input(16 * 16, 1.0f), output(32 * 16);
  input[5] = std::nanf("");
  for (const ConvolutionMethod method : {ConvolutionMethod::direct, ConvolutionMethod::winograd}) {
    ConvolutionCall call{input.data(), 1, 4, 4, output.data()};
    call.relu = true;
    PackedConvolution::in_bf16({16, 32, 3, 1, 1}, weight.data(), nullptr, method).run(call);
    EXPECT_TRUE(std::isnan(output[0]));
  }
}

TEST(Bf16Convolution, WeightsOfOtherPrecisionAreRefused) {
  const std::vector<float> weight(64, 0.1f);
  EXPECT_THROW(PackedConvolution({8, 8, 1, 1, 0}, weight.data(), nullptr, ConvolutionMethod::direct, Isa::generic)
                   .packed_halves(),
               Error);
}

}  // namespace
}  // namespace fastermask
