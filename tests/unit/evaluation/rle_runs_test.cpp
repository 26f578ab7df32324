// The fast forms of run-length masks against the plain ones of kernels/rle.h.
#include "fastermask/evaluation/rle_runs.h"

#include <gtest/gtest.h>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using testing_support::message_of;

// Blobs, noise, full and empty masks of one size.
Rle random_mask(Random& random, int height, int width) {
  BitMask mask(height, width);
  const double density = 0.25 * static_cast<double>(random.uniform_int(5));
  const int x0 = static_cast<int>(random.uniform_int(width));
  const int y0 = static_cast<int>(random.uniform_int(height));
  const bool blob = random.bernoulli(0.6);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const bool inside = !blob || (x >= x0 && y >= y0 && x < x0 + width / 2 && y < y0 + height / 2);
      mask.row(y)[x] = inside && random.bernoulli(density) ? 1 : 0;
    }
  }
  return rle_encode(mask);
}

TEST(MaskRuns, CountsCommonPixelsAsTheBitmapsDo) {
  Random random(1, RandomPurpose::test);
  int overlapping = 0;
  for (int i = 0; i < 2000; ++i) {
    const int height = 1 + static_cast<int>(random.uniform_int(30));
    const int width = 1 + static_cast<int>(random.uniform_int(30));
    const Rle a = random_mask(random, height, width);
    const Rle b = random_mask(random, height, width);
    MaskRuns runs_a;
    MaskRuns runs_b;
    runs_a.assign(b);  // memory used before must not show
    runs_a.assign(a);
    runs_b.assign(b);
    const BitMask bits_a = rle_decode(a);
    const BitMask bits_b = rle_decode(b);
    std::uint64_t common = 0;
    for (std::size_t k = 0; k < bits_a.pixels.size(); ++k) common += bits_a.pixels[k] & bits_b.pixels[k];
    ASSERT_EQ(MaskRuns::intersection(runs_a, runs_b), common);
    ASSERT_EQ(MaskRuns::intersection(runs_b, runs_a), common);
    ASSERT_GE(MaskRuns::intersection_bound(runs_a, runs_b), common);
    ASSERT_EQ(runs_a.area(), rle_area(a));
    overlapping += common > 0;
  }
  EXPECT_GT(overlapping, 500);
}

TEST(MaskRuns, BoundsByBoundingBoxes) {
  MaskRuns left;
  MaskRuns right;
  left.assign(box_to_rle({0, 0, 4, 4}, 10, 20));
  right.assign(box_to_rle({2, 1, 8, 8}, 10, 20));
  EXPECT_EQ(MaskRuns::intersection_bound(left, right), 6u);
  right.assign(box_to_rle({0, 5, 4, 4}, 10, 20));  // below, in the same columns
  EXPECT_EQ(MaskRuns::intersection_bound(left, right), 0u);
  right.assign(Rle{10, 20, {200}});
  EXPECT_EQ(MaskRuns::intersection_bound(left, right), 0u);
  EXPECT_EQ(MaskRuns::intersection(left, right), 0u);
}

TEST(MaskRuns, TakesRunsOfNoLength) {
  MaskRuns runs;
  runs.assign(Rle{4, 5, {3, 0, 2, 4, 0, 1, 10}});
  EXPECT_EQ(runs.area(), 5u);
  MaskRuns all;
  all.assign(Rle{4, 5, {0, 20}});
  EXPECT_EQ(MaskRuns::intersection(runs, all), 5u);
}

TEST(RleText, UnpacksAsThePlainReaderDoes) {
  Random random(2, RandomPurpose::test);
  for (int i = 0; i < 500; ++i) {
    const int height = 1 + static_cast<int>(random.uniform_int(300));
    const Rle mask = random_mask(random, height, 1 + static_cast<int>(random.uniform_int(40)));
    Rle back{mask.height, mask.width, {1, 2, 3}};
    unpack_rle_text(rle_to_string(mask), back);
    ASSERT_EQ(back, mask);
  }
}

TEST(RleText, GivesThePlainReadersErrors) {
  for (const char* text : {"", "P", "o", "\x7f", "05", "0O", "oooooooooo", "T1Z", "k6"}) {
    Rle rle{10, 20, {}};
    const std::string expected = message_of<DataError>([&] { rle_from_string(text, 10, 20); });
    EXPECT_EQ(message_of<DataError>([&] { unpack_rle_text(text, rle); }), expected) << text;
    if (std::string(text) != "k6") EXPECT_NE(expected, "nothing thrown") << text;
  }
}

}  // namespace
}  // namespace fastermask
