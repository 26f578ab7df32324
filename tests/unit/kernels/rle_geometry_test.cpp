// Geometry on runs gives what the plain twins give on bytes, run for run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/ref_rle_geometry.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// From empty to full, with short and long runs, and with runs of length 0 in between.
Rle random_runs(ImageSize size, std::uint64_t trial) {
  Random random(11, RandomPurpose::test, trial);
  const std::int64_t longest = 1 + random.uniform_int(3) * size.height;
  Rle rle{size.height, size.width, {}};
  std::int64_t left = static_cast<std::int64_t>(size.height) * size.width;
  if (trial % 7 == 0) rle.counts.push_back(0);
  while (left > 0) {
    const std::int64_t run = std::min(left, random.uniform_int(longest + 1));
    rle.counts.push_back(static_cast<std::uint32_t>(run));
    left -= run;
  }
  return rle;
}

int number_between(Random& random, int low, int high) {
  return low + static_cast<int>(random.uniform_int(static_cast<std::int64_t>(high) - low + 1));
}

TEST(RleGeometry, EqualsThePlainTwinsOnRandomMasks) {
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    Random random(12, RandomPurpose::test, trial);
    const ImageSize size{number_between(random, 1, 40), number_between(random, 1, 40)};
    const Rle rle = random_runs(size, trial);
    EXPECT_EQ(rle_flip_horizontal(rle), ref::rle_flip_horizontal(rle)) << trial;
    EXPECT_EQ(rle_flip_vertical(rle), ref::rle_flip_vertical(rle)) << trial;
    const ImageSize to{number_between(random, 1, 90), number_between(random, 1, 90)};
    EXPECT_EQ(rle_resize_nearest(rle, to), ref::rle_resize_nearest(rle, to)) << trial;
    const int y0 = number_between(random, 0, size.height - 1);
    const int x0 = number_between(random, 0, size.width - 1);
    const int height = number_between(random, 0, size.height - y0);
    const int width = number_between(random, 0, size.width - x0);
    EXPECT_EQ(rle_crop(rle, y0, x0, height, width), ref::rle_crop(rle, y0, x0, height, width)) << trial;
    const int top = number_between(random, 0, 5);
    const int left = number_between(random, 0, 5);
    const int padded_height = top + size.height + number_between(random, 0, 5);
    const int padded_width = left + size.width + number_between(random, 0, 5);
    EXPECT_EQ(rle_pad(rle, top, left, padded_height, padded_width),
              ref::rle_pad(rle, top, left, padded_height, padded_width))
        << trial;
  }
}

TEST(RleGeometry, SubtractLeavesWhatTheOtherDoesNotCover) {
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    const Rle a = random_runs({13, 17}, trial);
    const Rle b = random_runs({13, 17}, trial + 1000);
    const BitMask pixels_a = rle_decode(a);
    const BitMask pixels_b = rle_decode(b);
    BitMask expected(13, 17);
    for (std::size_t i = 0; i < expected.pixels.size(); ++i) {
      expected.pixels[i] = pixels_a.pixels[i] != 0 && pixels_b.pixels[i] == 0 ? 1 : 0;
    }
    EXPECT_EQ(rle_subtract(a, b), rle_encode(expected)) << trial;
  }
  EXPECT_THAT(
      [] {
        rle_subtract(Rle{2, 3, {6}}, Rle{3, 2, {6}});
      },
      ThrowsMessage<DataError>(HasSubstr("rle_subtract: masks must have one size")));
}

TEST(RleGeometry, APadTooSmallIsRefused) {
  EXPECT_THAT(
      [] {
        rle_pad(Rle{2, 3, {6}}, 1, 0, 2, 3);
      },
      ThrowsMessage<Error>(HasSubstr("rle_pad: the mask of 2 x 3 must fit at row 1, column 0 of 2 x 3")));
}

}  // namespace
}  // namespace fastermask
