// RoIAlign: worked by hand, against its plain twin, its adjoint, and across thread counts and instruction sets.
#include "fastermask/kernels/roi_align.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/ref_roi_align.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

// Two levels, two images, many rois, over the edges too.
struct Scene {
  explicit Scene(int channel_count) : channels(channel_count) {
    for (int l = 0; l < 2; ++l) {
      const int height = l == 0 ? 25 : 13;
      const int width = l == 0 ? 31 : 16;
      const std::size_t size = static_cast<std::size_t>(2 * height * width * channels);
      features.push_back(random_floats(size, static_cast<std::uint64_t>(l)));
      gradients.emplace_back(size);
      const float scale = l == 0 ? 0.25f : 0.125f;
      levels.push_back({features.back().data(), 2, height, width, channels, scale});
      gradient_levels.push_back({gradients.back().data(), 2, height, width, channels, scale});
    }
    Random random(9, RandomPurpose::test);
    for (int r = 0; r < 60; ++r) {
      const auto number = [&](double low, double high) { return static_cast<float>(random.uniform(low, high)); };
      const float x = number(-30, 120);
      const float y = number(-30, 95);
      const float extent = r % 10 == 0 ? 0.0f : 80.0f;
      rois.push_back({r % 2, r % 3 == 0 ? 1 : 0, {x, y, x + number(0, extent), y + number(0, extent)}});
    }
  }
  std::vector<float> forward(const RoiAlignParams& params) const {
    std::vector<float> output(output_size(params), -7.0f);
    roi_align_forward(levels, rois, params, output.data());
    return output;
  }
  std::size_t output_size(const RoiAlignParams& params) const {
    return rois.size() * static_cast<std::size_t>(params.pooled_height * params.pooled_width * channels);
  }
  void clear_gradients() {
    for (std::vector<float>& gradient : gradients) std::fill(gradient.begin(), gradient.end(), 0.0f);
  }

  int channels;
  std::vector<std::vector<float>> features;
  std::vector<std::vector<float>> gradients;
  std::vector<FeatureLevel> levels;
  std::vector<FeatureLevelGradient> gradient_levels;
  std::vector<Roi> rois;
};

const std::vector<RoiAlignParams> kAllParams = {{7, 7, 0, true},  {7, 7, 2, true},  {3, 5, 0, false},
                                                {1, 1, 0, true},  {14, 14, 1, false}};

// A ramp f(y, x) = 10 y + x: bilinear samples of a ramp are exact, so a bin's mean is the ramp at the bin's middle.
TEST(RoiAlign, ReadsARampAtTheMiddleOfEachBin) {
  std::vector<float> ramp;
  for (int i = 0; i < 64; ++i) ramp.push_back(static_cast<float>(10 * (i / 8) + i % 8));
  const FeatureLevel level{ramp.data(), 1, 8, 8, 1, 0.5f};
  const Roi roi{0, 0, {4, 2, 12, 10}};  // feature pixels x 2 .. 6, y 1 .. 5; pixel centres are at + 0.5
  std::vector<float> output(4);
  roi_align_forward({&level, 1}, {&roi, 1}, {2, 2, 0, true}, output.data());
  EXPECT_THAT(output, ::testing::ElementsAre(17.5f, 19.5f, 37.5f, 39.5f));
  roi_align_forward({&level, 1}, {&roi, 1}, {2, 2, 0, false}, output.data());
  EXPECT_THAT(output, ::testing::ElementsAre(23.0f, 25.0f, 43.0f, 45.0f));
}

TEST(RoiAlign, EqualsThePlainTwin) {
  for (const int channels : {1, 3, 16, 70, 256}) {
    Scene scene(channels);
    for (const RoiAlignParams& params : kAllParams) {
      std::vector<float> expected(scene.output_size(params));
      ref_roi_align_forward(scene.levels, scene.rois, params, expected.data());
      EXPECT_LE(largest_difference(scene.forward(params), expected), 3e-6);

      const std::vector<float> grad_output = random_floats(expected.size(), 3);
      scene.clear_gradients();
      ref_roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
      const std::vector<std::vector<float>> gradients = scene.gradients;
      scene.clear_gradients();
      roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
      for (std::size_t l = 0; l < 2; ++l) EXPECT_LE(largest_difference(scene.gradients[l], gradients[l]), 2e-4);
    }
  }
}

TEST(RoiAlign, BackwardIsTheAdjointOfForward) {
  for (const RoiAlignParams& params : kAllParams) {
    Scene scene(5);
    const std::vector<float> grad_output = random_floats(scene.output_size(params), 4);
    const double expected = dot(scene.forward(params), grad_output);
    roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
    const double got = dot(scene.features[0], scene.gradients[0]) + dot(scene.features[1], scene.gradients[1]);
    EXPECT_NEAR(got, expected, 1e-4 * std::max(1.0, std::abs(expected)));
  }
}

TEST(RoiAlign, BackwardAddsToWhatIsThere) {
  Scene scene(4);
  const RoiAlignParams params;
  const std::vector<float> grad_output = random_floats(scene.output_size(params), 4);
  roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
  const std::vector<float> once = scene.gradients[0];
  roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
  std::vector<float> twice = once;
  for (float& value : twice) value *= 2;
  EXPECT_LE(largest_difference(scene.gradients[0], twice), 1e-4);
}

TEST(RoiAlign, GivesTheSameBitsForEveryThreadCount) {
  Scene scene(33);
  const RoiAlignParams params;
  const std::vector<float> grad_output = random_floats(scene.output_size(params), 5);
  const int threads = num_threads();
  std::vector<float> output;
  std::vector<std::vector<float>> gradients;
  for (const int count : {1, 2, 3, 8}) {
    set_num_threads(count);
    scene.clear_gradients();
    roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
    const std::vector<float> now = scene.forward(params);
    if (count > 1) {
      EXPECT_EQ(now, output) << count;
      EXPECT_EQ(scene.gradients, gradients) << count;
    }
    output = now;
    gradients = scene.gradients;
  }
  set_num_threads(threads);
}

// --- in bfloat16 ---

std::vector<Bf16> narrow(const std::vector<float>& values) {
  std::vector<Bf16> halves(values.size());
  narrow_to_bf16(values.data(), halves.data(), static_cast<std::int64_t>(values.size()));
  return halves;
}

std::vector<float> widen(const std::vector<Bf16>& halves) {
  std::vector<float> values(halves.size());
  widen_bf16(halves.data(), values.data(), static_cast<std::int64_t>(halves.size()));
  return values;
}

// Sums are of floats: nothing but the features and the result is rounded.
TEST(RoiAlignInBf16, RoundsWhatFloatsGive) {
  for (const int channels : {1, 3, 16, 70, 256}) {
    Scene scene(channels);
    for (const RoiAlignParams& params : kAllParams) {
      std::vector<Bf16> output(scene.output_size(params), Bf16{0xFFFF});
      roi_align_forward(scene.levels, scene.rois, params, output.data());
      EXPECT_EQ(widen(output), widen(narrow(scene.forward(params))));

      std::vector<std::vector<Bf16>> halves;
      std::vector<HalfFeatureLevel> half_levels;
      for (std::size_t l = 0; l < 2; ++l) {
        halves.push_back(narrow(scene.features[l]));
        scene.features[l] = widen(halves[l]);
        const FeatureLevel& level = scene.levels[l];
        half_levels.push_back(
            {halves[l].data(), level.batch, level.height, level.width, level.channels, level.spatial_scale});
        scene.levels[l].data = scene.features[l].data();
      }
      roi_align_forward(half_levels, scene.rois, params, output.data());
      EXPECT_EQ(widen(output), widen(narrow(scene.forward(params))));
    }
  }
}

TEST(RoiAlignInBf16, AddsTheGradientOfTheSameNumbersAsFloats) {
  for (const int channels : {1, 3, 16, 70, 256}) {
    Scene scene(channels);
    for (const RoiAlignParams& params : kAllParams) {
      const std::vector<Bf16> grad_output = narrow(random_floats(scene.output_size(params), 3));
      scene.clear_gradients();
      roi_align_backward(scene.gradient_levels, scene.rois, params, widen(grad_output).data());
      const std::vector<std::vector<float>> expected = scene.gradients;
      scene.clear_gradients();
      roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
      EXPECT_EQ(scene.gradients, expected);
    }
  }
}

TEST(RoiAlignInBf16, GivesTheSameBitsForEveryThreadCount) {
  Scene scene(33);
  const RoiAlignParams params;
  const std::vector<Bf16> grad_output = narrow(random_floats(scene.output_size(params), 5));
  const int threads = num_threads();
  std::vector<float> output;
  std::vector<std::vector<float>> gradients;
  for (const int count : {1, 2, 8}) {
    set_num_threads(count);
    scene.clear_gradients();
    roi_align_backward(scene.gradient_levels, scene.rois, params, grad_output.data());
    std::vector<Bf16> now(scene.output_size(params));
    roi_align_forward(scene.levels, scene.rois, params, now.data());
    if (count > 1) {
      EXPECT_EQ(widen(now), output) << count;
      EXPECT_EQ(scene.gradients, gradients) << count;
    }
    output = widen(now);
    gradients = scene.gradients;
  }
  set_num_threads(threads);
}

TEST(RoiAlignInBf16, WrongArgumentsAreRefused) {
  const Scene scene(2);
  const Roi roi{2, 0, {0, 0, 9, 9}};
  Bf16 output[49 * 2];
  EXPECT_THAT(([&] { roi_align_forward(scene.levels, {&roi, 1}, RoiAlignParams{}, output); }),
              ThrowsMessage<Error>(HasSubstr("roi_align: roi 0 must name one of 2 images, got 2")));
  EXPECT_THAT(([&] { roi_align_backward(scene.gradient_levels, {&roi, 1}, RoiAlignParams{}, output); }),
              ThrowsMessage<Error>(HasSubstr("roi_align: roi 0 must name one of 2 images, got 2")));
}

TEST(RoiAlign, NoRoisAreNoWork) {
  const Scene scene(2);
  float* const nowhere = nullptr;
  EXPECT_NO_THROW(roi_align_forward(scene.levels, {}, RoiAlignParams{}, nowhere));
  EXPECT_NO_THROW(roi_align_backward(scene.gradient_levels, {}, RoiAlignParams{}, nowhere));
}

TEST(RoiAlign, WrongArgumentsAreRefused) {
  Scene scene(2);
  std::vector<float> output(49 * 2);
  const auto run = [&](Roi roi, RoiAlignParams params) {
    return [&scene, &output, roi, params] { roi_align_forward(scene.levels, {&roi, 1}, params, output.data()); };
  };
  const Box box{0, 0, 9, 9};
  EXPECT_THAT(run({2, 0, box}, {}),
              ThrowsMessage<Error>(HasSubstr("roi_align: roi 0 must name one of 2 images, got 2")));
  EXPECT_THAT(run({0, 2, box}, {}), ThrowsMessage<Error>(HasSubstr("must name one of 2 levels, got 2")));
  EXPECT_THAT(run({0, -1, box}, {}), ThrowsMessage<Error>(HasSubstr("must name one of 2 levels, got -1")));
  EXPECT_THAT(run({0, 0, {0, 0, std::numeric_limits<float>::infinity(), 1}}, {}),
              ThrowsMessage<Error>(HasSubstr("roi 0 must be finite, got (0, 0, inf, 1)")));
  EXPECT_THAT(run({0, 0, {0, 0, 1e30f, 1}}, {}), ThrowsMessage<Error>(HasSubstr("at most 10000000 feature pixels")));
  EXPECT_THAT(run({0, 0, box}, {0, 7, 0, true}), ThrowsMessage<Error>(HasSubstr("must be positive, got 0 x 7")));
  EXPECT_THAT(run({0, 0, box}, {7, 7, -1, true}), ThrowsMessage<Error>(HasSubstr("or positive, got -1")));
  scene.levels[1].channels = 3;
  EXPECT_THAT(run({0, 0, box}, {}), ThrowsMessage<Error>(HasSubstr("level 1 must have 2 channels as level 0, got 3")));
  scene.levels[1].width = 0;
  EXPECT_THAT(run({0, 0, box}, {}), ThrowsMessage<Error>(HasSubstr("level 1 must have positive sizes")));
}

// Calls body(plain, ops, n, what) for the copies of each instruction set of this machine, and rows of n numbers.
template <class Body>
void for_copies_and_lengths(const Body& body) {
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    if (isa > best_isa()) continue;
    for (const std::ptrdiff_t n : {0, 1, 7, 31, 64, 200, 256, 1000})
      body(row_ops(Isa::generic), row_ops(isa), n, isa_name(isa) + (' ' + std::to_string(n)));
  }
}

TEST(RowOps, AllCopiesGiveTheSameBitsInBf16) {
  std::vector<float> values = random_floats(4000, 6);
  values[77] = std::numeric_limits<float>::quiet_NaN();
  values[2101] = std::numeric_limits<float>::infinity();
  values[5] = 1e-41f;  // below the normal numbers
  const std::vector<Bf16> halves = narrow(values);
  const auto bits = [](const std::vector<Bf16>& numbers) {
    std::vector<std::uint16_t> all;
    for (const Bf16 number : numbers) all.push_back(number.bits);
    return all;
  };
  const auto bits_of_floats = [](const std::vector<float>& numbers) {
    std::vector<std::uint32_t> all(numbers.size());
    std::memcpy(all.data(), numbers.data(), numbers.size() * sizeof(float));
    return all;
  };
  for_copies_and_lengths([&](const RowOps& plain, const RowOps& ops, std::ptrdiff_t n, const std::string& what) {
    const float* sources[3] = {values.data(), values.data() + 1000, values.data() + 2001};
    const Bf16* half_sources[3] = {halves.data(), halves.data() + 1000, halves.data() + 2001};
    const auto size = static_cast<std::size_t>(n);
    std::vector<Bf16> a(size), b(size);
    plain.weighted_sum_to_bf16(sources, values.data() + 500, 3, n, a.data());
    ops.weighted_sum_to_bf16(sources, values.data() + 500, 3, n, b.data());
    EXPECT_EQ(bits(a), bits(b)) << what;
    plain.weighted_sum_in_bf16(half_sources, values.data() + 500, 3, n, a.data());
    ops.weighted_sum_in_bf16(half_sources, values.data() + 500, 3, n, b.data());
    EXPECT_EQ(bits(a), bits(b)) << what;
    std::vector<float> c(size, 0.25f), d(size, 0.25f);
    for (const bool add : {true, false}) {
      plain.weighted_sum_of_bf16(half_sources, values.data() + 500, 3, n, add, c.data());
      ops.weighted_sum_of_bf16(half_sources, values.data() + 500, 3, n, add, d.data());
      EXPECT_EQ(bits_of_floats(c), bits_of_floats(d)) << what;
    }
  });
}

TEST(RowOps, AllCopiesGiveTheSameBits) {
  const std::vector<float> values = random_floats(4000, 6);
  for_copies_and_lengths([&](const RowOps& plain, const RowOps& ops, std::ptrdiff_t n, const std::string& what) {
    const float* sources[3] = {values.data(), values.data() + 1000, values.data() + 2001};
    std::vector<float> a(static_cast<std::size_t>(n), 0.25f);
    std::vector<float> b = a;
    for (const bool add : {true, false}) {
      plain.weighted_sum(sources, values.data() + 5, 3, n, add, a.data());
      ops.weighted_sum(sources, values.data() + 5, 3, n, add, b.data());
      EXPECT_EQ(a, b) << what;
    }
    std::vector<std::int32_t> index_a(a.size());
    std::vector<std::int32_t> index_b(a.size());
    plain.update_maximum(values.data(), 5, n, a.data(), index_a.data());
    ops.update_maximum(values.data(), 5, n, b.data(), index_b.data());
    EXPECT_EQ(a, b);
    EXPECT_EQ(index_a, index_b);
  });
}

}  // namespace
}  // namespace fastermask
