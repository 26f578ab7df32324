// RoIPool: worked by hand, against plain loops, and the way back.
#include "fastermask/kernels/roi_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// 4 x 4 values 0 .. 15; the roi (0, 0, 6, 6) at scale 0.5 is pixels 0 .. 3, both ends included.
TEST(RoiPool, TakesTheMaximumOfEachBin) {
  std::vector<float> values;
  for (int i = 0; i < 16; ++i) values.push_back(static_cast<float>(i));
  const FeatureLevel level{values.data(), 1, 4, 4, 1, 0.5f};
  const Roi roi{0, 0, {0, 0, 6, 6}};
  std::vector<float> output(4);
  std::vector<std::int32_t> argmax(4);
  roi_pool_forward({&level, 1}, {&roi, 1}, 2, 2, output.data(), argmax.data());
  EXPECT_THAT(output, ElementsAre(5, 7, 13, 15));
  EXPECT_THAT(argmax, ElementsAre(5, 7, 13, 15));
}

TEST(RoiPool, BinsOutsideAreZeroAndSendNothingBack) {
  const std::vector<float> values(16, -3.0f);
  const FeatureLevel level{values.data(), 1, 4, 4, 1, 1.0f};
  const Roi roi{0, 0, {2, 0, 5, 3}};  // columns 2 .. 5, of which 4 and 5 do not exist
  std::vector<float> output(4);
  std::vector<std::int32_t> argmax(4);
  roi_pool_forward({&level, 1}, {&roi, 1}, 2, 2, output.data(), argmax.data());
  EXPECT_THAT(output, ElementsAre(-3, 0, -3, 0));
  EXPECT_THAT(argmax, ElementsAre(2, -1, 10, -1));
}

TEST(RoiPool, EqualsPlainLoopsAndSendsTheGradientToTheMaximum) {
  constexpr int kHeight = 11, kWidth = 14, kChannels = 19, kPooled = 3;
  Random random(1, RandomPurpose::test);
  std::vector<float> values(2 * kHeight * kWidth * kChannels);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  const FeatureLevel level{values.data(), 2, kHeight, kWidth, kChannels, 0.25f};
  std::vector<Roi> rois;
  for (int r = 0; r < 30; ++r) {
    const float x = static_cast<float>(random.uniform(-10, 50));
    const float y = static_cast<float>(random.uniform(-10, 40));
    rois.push_back({r % 2, 0, {x, y, x + static_cast<float>(random.uniform(0, 40)), y + 17}});
  }
  std::vector<float> output(rois.size() * kPooled * kPooled * kChannels);
  std::vector<std::int32_t> argmax(output.size());
  roi_pool_forward({&level, 1}, rois, kPooled, kPooled, output.data(), argmax.data());

  std::vector<float> expected_gradient(values.size());
  std::size_t at = 0;
  for (const Roi& roi : rois) {
    const float* image = values.data() + roi.image * kHeight * kWidth * kChannels;
    const auto corner = [](float coordinate) { return static_cast<int>(std::round(coordinate * 0.25f)); };
    const int x1 = corner(roi.box.x1);
    const int y1 = corner(roi.box.y1);
    const int width = std::max(corner(roi.box.x2) - x1 + 1, 1);
    const int height = std::max(corner(roi.box.y2) - y1 + 1, 1);
    for (int bin = 0; bin < kPooled * kPooled; ++bin) {
      for (int c = 0; c < kChannels; ++c, ++at) {
        float best = 0;
        int best_at = -1;
        for (int y = 0; y < kHeight; ++y) {
          for (int x = 0; x < kWidth; ++x) {
            const int p = bin / kPooled, q = bin % kPooled;
            // Pixel y overlaps bin p when [y - y1, y - y1 + 1) and [p h / P, (p + 1) h / P) do.
            const bool in_rows = (y - y1 + 1) * kPooled > p * height && (y - y1) * kPooled < (p + 1) * height;
            const bool in_columns = (x - x1 + 1) * kPooled > q * width && (x - x1) * kPooled < (q + 1) * width;
            const float value = image[(y * kWidth + x) * kChannels + c];
            if (in_rows && in_columns && (best_at < 0 || value > best)) {
              best = value;
              best_at = y * kWidth + x;
            }
          }
        }
        ASSERT_EQ(output[at], best);
        ASSERT_EQ(argmax[at], best_at);
        if (best_at >= 0) {
          expected_gradient[static_cast<std::size_t>((roi.image * kHeight * kWidth + best_at) * kChannels + c)] += best;
        }
      }
    }
  }
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    std::vector<float> gradient(values.size());
    const FeatureLevelGradient gradient_level{gradient.data(), 2, kHeight, kWidth, kChannels, 0.25f};
    roi_pool_backward({&gradient_level, 1}, rois, kPooled, kPooled, output.data(), argmax.data());
    EXPECT_EQ(gradient, expected_gradient);
  }
  set_num_threads(0);
}

TEST(RoiPool, WrongArgumentsAreRefused) {
  float value = 1;
  const FeatureLevel level{&value, 1, 1, 1, 1, 1.0f};
  const FeatureLevelGradient gradient{&value, 1, 1, 1, 1, 1.0f};
  const Roi roi{1, 0, {0, 0, 1, 1}};
  const Roi good{0, 0, {0, 0, 1, 1}};
  const std::int32_t argmax = 4;
  EXPECT_THAT([&] { roi_pool_forward({&level, 1}, {&roi, 1}, 1, 1, &value, nullptr); },
              ThrowsMessage<Error>(HasSubstr("roi_pool: roi 0 must name one of 1 images, got 1")));
  EXPECT_THAT([&] { roi_pool_forward({&level, 1}, {&good, 1}, 1, 0, &value, nullptr); },
              ThrowsMessage<Error>(HasSubstr("roi_pool: the pooled size must be positive, got 1 x 0")));
  EXPECT_THAT([&] { roi_pool_backward({&gradient, 1}, {&good, 1}, 1, 1, &value, &argmax); },
              ThrowsMessage<Error>(HasSubstr("argmax 4 is outside a level of 1 pixels")));
}

}  // namespace
}  // namespace fastermask
