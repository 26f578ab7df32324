// Run-length encoded masks.
#include "fastermask/kernels/rle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

BitMask bitmap(int height, int width, std::vector<std::uint8_t> pixels) {
  BitMask mask(height, width);
  mask.pixels = std::move(pixels);
  return mask;
}

// Blobs, so that runs of all lengths occur.
BitMask random_mask(int height, int width, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  BitMask mask(height, width);
  std::uint8_t value = 0;
  for (std::uint8_t& pixel : mask.pixels) {
    if (random.bernoulli(0.1)) value = static_cast<std::uint8_t>(random.uniform_int(2));
    pixel = value;
  }
  return mask;
}

// Column by column, one pixel at a time.
Rle plain_encode(const BitMask& mask) {
  Rle rle{mask.height, mask.width, {}};
  std::uint8_t value = 0;
  std::uint32_t run = 0;
  for (int x = 0; x < mask.width; ++x) {
    for (int y = 0; y < mask.height; ++y) {
      const std::uint8_t pixel = mask.row(y)[x] != 0 ? 1 : 0;
      if (pixel != value) {
        rle.counts.push_back(run);
        run = 0;
        value = pixel;
      }
      ++run;
    }
  }
  rle.counts.push_back(run);
  return rle;
}

// 0 1 1
// 1 1 0   columns: 0 1 | 1 1 | 1 0
TEST(Rle, RunsGoDownTheColumnsAndBeginWithZeros) {
  EXPECT_THAT(rle_encode(bitmap(2, 3, {0, 1, 1, 1, 1, 0})).counts, ElementsAre(1, 4, 1));
  EXPECT_THAT(rle_encode(bitmap(1, 2, {1, 0})).counts, ElementsAre(0, 1, 1));
  EXPECT_THAT(rle_encode(bitmap(2, 1, {7, 255})).counts, ElementsAre(0, 2));
}

TEST(Rle, EncodesAsThePlainLoopForAllWidths) {
  for (int width = 0; width < 40; ++width) {
    for (int height = 0; height < 20; ++height) {
      const BitMask mask = random_mask(height, width, static_cast<std::uint64_t>(width * 100 + height));
      const Rle rle = rle_encode(mask);
      ASSERT_EQ(rle, plain_encode(mask)) << height << " x " << width;
      ASSERT_EQ(rle_decode(rle).pixels, mask.pixels);
      ASSERT_EQ(rle_from_string(rle_to_string(rle), height, width), rle);
    }
  }
}

TEST(Rle, AreaAndBoxOfAnLShape) {
  // 0 0 0 0
  // 0 1 0 0
  // 0 1 1 0
  const Rle rle = rle_encode(bitmap(3, 4, {0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0}));
  EXPECT_EQ(rle_area(rle), 3u);
  EXPECT_THAT(rle_to_xywh(rle), ElementsAre(1, 1, 2, 2));
}

TEST(Rle, BoxOfARunOverTwoColumnsTakesTheFullHeight) {
  EXPECT_THAT(rle_to_xywh(Rle{4, 3, {3, 2, 7}}), ElementsAre(0, 0, 2, 4));
}

TEST(Rle, EmptyMasksHaveNoAreaAndNoBox) {
  EXPECT_EQ(rle_area(Rle{4, 5, {20}}), 0u);
  EXPECT_THAT(rle_to_xywh(Rle{4, 5, {20}}), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(rle_to_xywh(Rle{0, 0, {0}}), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(rle_iou(Rle{4, 5, {20}}, Rle{4, 5, {20}}, false), 0);
}

TEST(Rle, MergeIsTheUnionOrTheIntersection) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const BitMask a = random_mask(13, 11, seed);
    const BitMask b = random_mask(13, 11, seed + 100);
    BitMask either(13, 11);
    BitMask both(13, 11);
    double intersection = 0;
    double area_union = 0;
    for (std::size_t i = 0; i < a.pixels.size(); ++i) {
      either.pixels[i] = a.pixels[i] | b.pixels[i];
      both.pixels[i] = a.pixels[i] & b.pixels[i];
      intersection += both.pixels[i];
      area_union += either.pixels[i];
    }
    const std::vector<Rle> masks = {rle_encode(a), rle_encode(b)};
    EXPECT_EQ(rle_merge(masks), rle_encode(either));
    EXPECT_EQ(rle_merge(masks, true), rle_encode(both));
    EXPECT_DOUBLE_EQ(rle_iou(masks[0], masks[1], false), intersection / area_union);
    EXPECT_DOUBLE_EQ(rle_iou(masks[0], masks[1], true), intersection / static_cast<double>(rle_area(masks[0])));
  }
}

TEST(Rle, MergeCopesWithRunsOfLengthZero) {
  const std::vector<Rle> masks = {Rle{2, 3, {2, 0, 2, 2}}, Rle{2, 3, {2, 0, 1, 1, 2}}};
  EXPECT_THAT(rle_merge(masks).counts, ElementsAre(3, 3));
  EXPECT_EQ(rle_merge(Span<const Rle>()).counts, std::vector<std::uint32_t>{0});
}

TEST(Rle, TextHoldsDifferencesInGroupsOfFiveBits) {
  // 5 -> '5'; 100 = 3 * 32 + 4 -> 4 | more = 'T', 3 -> '3'; the fourth count is stored less the second: 100 - 100 = 0.
  EXPECT_EQ(rle_to_string(Rle{10, 21, {5, 100, 5, 100}}), "5T350");
  // 2 - 20 = -18 needs two groups: 14 | more = '^', then -1 = 'O'.
  EXPECT_EQ(rle_to_string(Rle{1, 27, {4, 20, 1, 2}}), "4d01^O");
  EXPECT_THAT(rle_from_string("4d01^O", 1, 27).counts, ElementsAre(4, 20, 1, 2));
}

TEST(Rle, MalformedTextIsRefusedWithThePlace) {
  const auto read = [](const char* text) { return [text] { rle_from_string(text, 3, 4); }; };
  EXPECT_THAT(read("5T"),
              ThrowsMessage<DataError>(HasSubstr("ends in the middle of a number (the one at character 1)")));
  EXPECT_THAT(read("5 "), ThrowsMessage<DataError>(HasSubstr("may hold only characters '0' to 'o', got code 32")));
  EXPECT_THAT(read("5\xff"), ThrowsMessage<DataError>(HasSubstr("got code 255 at character 1")));
  EXPECT_THAT(read("oooooooooooo"), ThrowsMessage<DataError>(HasSubstr("is too large")));
  EXPECT_THAT(read("O"), ThrowsMessage<DataError>(HasSubstr("count 0 must be between 0 and 2^32 - 1, got -1")));
  EXPECT_THAT(read("56"), ThrowsMessage<DataError>(HasSubstr("must add up to height x width = 3 x 4 = 12, got 11")));
  EXPECT_EQ(rle_from_string("57", 3, 4).counts.size(), 2u);
}

TEST(Rle, WrongSizesAreRefused) {
  EXPECT_THAT([] { rle_decode(Rle{3, 4, {5, 8}}); },
              ThrowsMessage<DataError>(HasSubstr("rle_decode: the counts must add up to")));
  EXPECT_THAT([] { rle_decode(Rle{-3, 4, {5}}); }, ThrowsMessage<DataError>(HasSubstr("must not be negative")));
  EXPECT_THAT([] { rle_decode(Rle{100000, 100000, {5}}); }, ThrowsMessage<DataError>(HasSubstr("at most 2^32 - 1")));
  const std::vector<Rle> masks = {Rle{2, 3, {6}}, Rle{3, 2, {6}}};
  EXPECT_THAT([&] { rle_merge(masks); }, ThrowsMessage<DataError>(HasSubstr("rle_merge: masks must have one size")));
  EXPECT_THAT([&] { rle_iou(masks[0], masks[1], false); },
              ThrowsMessage<DataError>(HasSubstr("rle_iou: masks must have one size, got 2 x 3 and 3 x 2")));
}

TEST(Rle, FlipsMirrorThePixels) {
  const BitMask mask = random_mask(9, 14, 3);
  const BitMask horizontal = rle_decode(rle_flip_horizontal(rle_encode(mask)));
  const BitMask vertical = rle_decode(rle_flip_vertical(rle_encode(mask)));
  for (int y = 0; y < 9; ++y) {
    for (int x = 0; x < 14; ++x) {
      EXPECT_EQ(horizontal.row(y)[x], mask.row(y)[13 - x]);
      EXPECT_EQ(vertical.row(y)[x], mask.row(8 - y)[x]);
    }
  }
}

TEST(Rle, NearestResizeTakesThePixelUnderTheCentre) {
  const BitMask mask = random_mask(9, 14, 4);
  const BitMask resized = rle_decode(rle_resize_nearest(rle_encode(mask), {20, 5}));
  ASSERT_EQ(resized.height, 20);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 5; ++x) {
      const int from_y = static_cast<int>((y + 0.5) * 9 / 20);
      const int from_x = static_cast<int>((x + 0.5) * 14 / 5);
      EXPECT_EQ(resized.row(y)[x], mask.row(from_y)[from_x]) << y << ' ' << x;
    }
  }
  EXPECT_THAT([&] { rle_resize_nearest(rle_encode(mask), {0, 5}); },
              ThrowsMessage<Error>(HasSubstr("the new size must be positive, got 0 x 5")));
}

TEST(Rle, CropTakesTheWindow) {
  const BitMask mask = random_mask(9, 14, 5);
  const BitMask crop = rle_decode(rle_crop(rle_encode(mask), 2, 3, 4, 6));
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 6; ++x) EXPECT_EQ(crop.row(y)[x], mask.row(y + 2)[x + 3]);
  }
  EXPECT_THAT([&] { rle_crop(rle_encode(mask), 2, 3, 4, 12); },
              ThrowsMessage<Error>(HasSubstr("must lie in the mask of 9 x 14, got 4 x 12 from row 2, column 3")));
}

}  // namespace
}  // namespace fastermask
