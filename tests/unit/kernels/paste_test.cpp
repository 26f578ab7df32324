// Pasting soft masks, against the definition pixel by pixel.
#include "fastermask/kernels/paste.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<float> random_soft(Random& random, int size) {
  std::vector<float> soft(static_cast<std::size_t>(size * size));
  for (float& value : soft) value = static_cast<float>(random.uniform());
  return soft;
}

// The value at a pixel's centre, in double.
double sampled(const std::vector<float>& soft, int size, const Box& box, int y, int x) {
  const auto place = [size](double pixel, double low, double high) {
    return (pixel + 0.5 - low) / (high - low) * size - 0.5;
  };
  const auto outside = [](double pixel, double low, double high) {  // of the box and one pixel around it
    return pixel < std::floor(low) - 1 || pixel >= std::ceil(high) + 1;
  };
  if (outside(y, box.y1, box.y2) || outside(x, box.x1, box.x2)) return 0;
  const double v = place(y, box.y1, box.y2);
  const double u = place(x, box.x1, box.x2);
  double sum = 0;
  for (int row = 0; row < size; ++row) {
    for (int column = 0; column < size; ++column) {
      const double weight = std::max(0.0, 1 - std::abs(v - row)) * std::max(0.0, 1 - std::abs(u - column));
      sum += weight * static_cast<double>(soft[static_cast<std::size_t>(row * size + column)]);
    }
  }
  return sum;
}

TEST(Paste, SamplesTheSoftMaskAtPixelCentres) {
  Random random(5, RandomPurpose::test);
  const ImageSize image{40, 60};
  std::uint64_t area = 0;
  for (int round = 0; round < 60; ++round) {
    const std::vector<float> soft = random_soft(random, 7);
    const auto number = [&](double low, double high) { return static_cast<float>(random.uniform(low, high)); };
    const float x = number(-20, 55);
    const float y = number(-20, 35);
    const Box box{x, y, x + number(0.5, 50), y + number(0.5, 40)};
    const BitMask mask = paste_mask(soft.data(), 7, box, image);
    const Image values = paste_soft_mask(soft.data(), 7, box, image);
    for (int row = 0; row < 40; ++row) {
      for (int column = 0; column < 60; ++column) {
        const double value = sampled(soft, 7, box, row, column);
        if (std::abs(value - 0.5) > 1e-4) {
          ASSERT_EQ(mask.row(row)[column], value >= 0.5 ? 1 : 0);
        }
        ASSERT_NEAR(values.row(row)[column], value * 255 - 0.5, 0.6);
      }
    }
    const Rle rle = paste_mask_to_rle(soft.data(), 7, box, image);
    ASSERT_EQ(rle, rle_encode(mask)) << round;
    area += rle_area(rle);
  }
  EXPECT_GT(area, 5000u);
}

TEST(Paste, ThresholdsAreInclusive) {
  const std::vector<float> soft(4, 0.5f);
  EXPECT_EQ(rle_area(paste_mask_to_rle(soft.data(), 2, {2, 2, 6, 6}, {8, 8}, 0.5f)), 4u);
  EXPECT_EQ(rle_area(paste_mask_to_rle(soft.data(), 2, {2, 2, 6, 6}, {8, 8}, 0.51f)), 0u);
}

TEST(Paste, BoxesOutsideOrOfNoSizeGiveEmptyMasks) {
  const std::vector<float> soft(28 * 28, 1.0f);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Box& box : {Box{-30, -30, -20, -20}, Box{100, 100, 120, 120}, Box{5, 5, 5, 5}, Box{nan, 0, 5, 5},
                         Box{1e30f, 0, 2e30f, 5}, Box{9, 9, 3, 3}}) {
    const Rle rle = paste_mask_to_rle(soft.data(), 28, box, {30, 40});
    EXPECT_EQ(rle, rle_encode(paste_mask(soft.data(), 28, box, {30, 40})));
  }
  EXPECT_EQ(paste_mask_to_rle(soft.data(), 28, {-30, -30, -20, -20}, {30, 40}), (Rle{30, 40, {1200}}));
}

TEST(Paste, AMaskOverTheWholeImageFillsIt) {
  const std::vector<float> soft(28 * 28, 1.0f);
  EXPECT_EQ(rle_area(paste_mask_to_rle(soft.data(), 28, {-100, -100, 200, 200}, {30, 40})), 1200u);
}

TEST(Paste, ManyAtOnceEqualOneByOne) {
  Random random(6, RandomPurpose::test);
  std::vector<std::vector<float>> soft;
  Boxes boxes;
  for (int i = 0; i < 20; ++i) {
    soft.push_back(random_soft(random, 28));
    const float x = static_cast<float>(random.uniform(0, 50));
    boxes.push_back({x, x / 2, x + 20, x + 15});
  }
  const std::vector<Rle> masks = paste_masks_to_rle(soft, 28, boxes, {60, 80});
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    EXPECT_EQ(masks[i], paste_mask_to_rle(soft[i].data(), 28, boxes[i], {60, 80}));
  }
  EXPECT_THAT([&] { paste_masks_to_rle(soft, 28, Boxes(3), {60, 80}); },
              ThrowsMessage<Error>(HasSubstr("3 boxes need as many soft masks, got 20")));
  EXPECT_THAT([&] { paste_masks_to_rle(soft, 14, boxes, {60, 80}); },
              ThrowsMessage<Error>(HasSubstr("must have 14 x 14 values, got 784")));
}

TEST(Paste, WrongSizesAreRefused) {
  const float soft = 1;
  EXPECT_THAT([&] { paste_mask(&soft, 0, {0, 0, 1, 1}, {4, 4}); },
              ThrowsMessage<Error>(HasSubstr("the soft mask's size must be at least 1, got 0")));
  EXPECT_THAT([&] { paste_mask_to_rle(&soft, 1, {0, 0, 1, 1}, {4, 0}); },
              ThrowsMessage<Error>(HasSubstr("the image's size must be positive, got 4 x 0")));
}

}  // namespace
}  // namespace fastermask
