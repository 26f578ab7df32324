// Mask head targets: from polygons by definition, from bitmaps by RoIAlign's plain twin.
#include "fastermask/kernels/mask_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/ref_roi_align.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

using Target = std::vector<std::uint8_t>;

Polygons random_polygons(Random& random) {
  Polygons polygons(1 + static_cast<std::size_t>(random.uniform_int(3)));
  for (Polygon& polygon : polygons) {
    for (std::int64_t i = 2 * (3 + random.uniform_int(6)); i > 0; --i) polygon.push_back(random.uniform(-10, 110));
  }
  return polygons;
}

Box random_box(Random& random) {
  const auto number = [&](double low, double high) { return static_cast<float>(random.uniform(low, high)); };
  const float x = number(-20, 90);
  const float y = number(-20, 90);
  return {x, y, x + number(0, 100), y + number(0, 100)};
}

TEST(MaskTarget, PolygonsAreMovedScaledAndRasterised) {
  Random random(2, RandomPurpose::test);
  for (int round = 0; round < 200; ++round) {
    const Polygons polygons = random_polygons(random);
    const Box roi = random_box(random);
    Polygons moved = polygons;
    for (Polygon& polygon : moved) {
      for (std::size_t i = 0; i < polygon.size(); i += 2) {
        polygon[i] = (polygon[i] - static_cast<double>(roi.x1)) * (28 / std::max<double>(roi.width(), 0.1));
        polygon[i + 1] = (polygon[i + 1] - static_cast<double>(roi.y1)) * (28 / std::max<double>(roi.height(), 0.1));
      }
    }
    Target target(28 * 28, 9);
    polygon_mask_target(polygons, roi, 28, target.data());
    ASSERT_EQ(target, rle_decode(polygons_to_rle(moved, 28, 28)).pixels) << round;
  }
}

TEST(MaskTarget, BitmapsAreAlignedAndCutAtOneHalf) {
  Random random(3, RandomPurpose::test);
  int set = 0;
  for (int round = 0; round < 200; ++round) {
    const int size = round % 2 == 0 ? 28 : 7;
    const Rle rle = polygons_to_rle(random_polygons(random), 70, 100);
    const BitMask mask = rle_decode(rle);
    const Box roi = random_box(random);
    std::vector<float> values(mask.pixels.begin(), mask.pixels.end());
    const FeatureLevel level{values.data(), 1, 70, 100, 1, 1.0f};
    const Roi whole{0, 0, roi};
    std::vector<float> aligned(static_cast<std::size_t>(size * size));
    ref_roi_align_forward({&level, 1}, {&whole, 1}, {size, size, 0, true}, aligned.data());
    Target target(aligned.size(), 9);
    Target from_runs(aligned.size(), 9);
    bitmask_mask_target(mask, roi, size, target.data());
    mask_target(rle, roi, size, from_runs.data());
    ASSERT_EQ(target, from_runs) << round;
    for (std::size_t i = 0; i < aligned.size(); ++i) {
      set += target[i];
      if (std::abs(aligned[i] - 0.5f) < 1e-5f) continue;  // the twin adds up in another order
      ASSERT_EQ(target[i], aligned[i] >= 0.5f ? 1 : 0) << round << ": " << aligned[i];
    }
  }
  EXPECT_GT(set, 1000);
}

TEST(MaskTarget, ExactHalvesCountAsSet) {
  // Columns 0 1: a box of one bin over both has the mean 0.5.
  const BitMask mask = rle_decode(Rle{2, 2, {2, 2}});
  Target target(1);
  bitmask_mask_target(mask, {0, 0, 2, 2}, 1, target.data());
  EXPECT_EQ(target[0], 1);
}

TEST(MaskTarget, BoxesWithoutSizeOrOutsideGiveZeros) {
  const BitMask mask = rle_decode(Rle{20, 20, {0, 400}});
  for (const Box& roi : {Box{5, 5, 5, 9}, Box{5, 5, 9, 5}, Box{30, 30, 40, 40}, Box{-50, -50, -40, -40}}) {
    Target target(14 * 14, 9);
    bitmask_mask_target(mask, roi, 14, target.data());
    EXPECT_EQ(target, Target(14 * 14, 0));
    polygon_mask_target({{30, 1, 30, 4, 33, 1}}, {5, 5, 9, 9}, 14, target.data());
    EXPECT_EQ(target, Target(14 * 14, 0));
  }
}

TEST(MaskTarget, ManyAtOnceEqualOneByOne) {
  Random random(4, RandomPurpose::test);
  std::vector<Segmentation> instances;
  Boxes rois;
  for (int i = 0; i < 50; ++i) {
    const Polygons polygons = random_polygons(random);
    instances.push_back(i % 2 == 0 ? Segmentation(polygons) : Segmentation(polygons_to_rle(polygons, 70, 100)));
    rois.push_back(random_box(random));
  }
  std::vector<const Segmentation*> pointers;
  for (const Segmentation& instance : instances) pointers.push_back(&instance);
  Target all(50 * 28 * 28);
  mask_targets(pointers, rois, 28, all.data());
  for (std::size_t i = 0; i < rois.size(); ++i) {
    Target one(28 * 28);
    mask_target(instances[i], rois[i], 28, one.data());
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + static_cast<std::ptrdiff_t>(i * one.size()))) << i;
  }
  EXPECT_THAT([&] { mask_targets(pointers, Boxes(3), 28, all.data()); },
              ThrowsMessage<Error>(HasSubstr("3 boxes need as many masks, got 50")));
}

TEST(MaskTarget, WrongArgumentsAreRefused) {
  Target target(28 * 28);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT([&] { polygon_mask_target({}, {0, 0, nan, 1}, 28, target.data()); },
              ThrowsMessage<Error>(HasSubstr("the box must be finite")));
  EXPECT_THAT([&] { polygon_mask_target({}, {0, 0, 1, 1}, 0, target.data()); },
              ThrowsMessage<Error>(HasSubstr("must be 1 to 4096, got 0")));
  EXPECT_THAT([&] { polygon_mask_target({{1, 2, 3, 4}}, {0, 0, 1, 1}, 28, target.data()); },
              ThrowsMessage<DataError>(HasSubstr("mask_target: a polygon needs at least 6 numbers")));
  EXPECT_THAT([&] { mask_target(Segmentation(), {0, 0, 1, 1}, 28, target.data()); },
              ThrowsMessage<DataError>(HasSubstr("the instance has no mask")));
  EXPECT_THAT([&] { mask_target(Rle{4, 4, {3}}, {0, 0, 1, 1}, 28, target.data()); },
              ThrowsMessage<DataError>(HasSubstr("mask_target: the counts must add up to")));
}

}  // namespace
}  // namespace fastermask
