// The rims of masks, pixel by pixel.
#include <gtest/gtest.h>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

bool all_set_around(const BitMask& mask, int y0, int x0, int distance) {
  for (int y = y0 - distance; y <= y0 + distance; ++y) {
    for (int x = x0 - distance; x <= x0 + distance; ++x) {
      if (y < 0 || x < 0 || y >= mask.height || x >= mask.width || mask.row(y)[x] == 0) return false;
    }
  }
  return true;
}

BitMask plain_boundary(const BitMask& mask, int distance) {
  BitMask rim(mask.height, mask.width);
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      rim.row(y)[x] = mask.row(y)[x] != 0 && !all_set_around(mask, y, x, distance) ? 1 : 0;
    }
  }
  return rim;
}

TEST(RleBoundary, IsWhatErosionTakesAway) {
  int hollow = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed, RandomPurpose::test);
    BitMask mask(1 + static_cast<int>(random.uniform_int(20)), 1 + static_cast<int>(random.uniform_int(20)));
    std::fill(mask.pixels.begin(), mask.pixels.end(), std::uint8_t{1});
    for (std::uint8_t& pixel : mask.pixels) pixel = random.bernoulli(seed % 3 == 0 ? 0.02 : 0.1) ? 0 : 1;
    const int distance = 1 + static_cast<int>(random.uniform_int(4));
    const Rle expected = rle_encode(plain_boundary(mask, distance));
    EXPECT_EQ(rle_boundary(rle_encode(mask), distance), expected) << "seed " << seed;
    hollow += rle_area(expected) < rle_area(rle_encode(mask));
  }
  EXPECT_GT(hollow, 50);
}

TEST(RleBoundary, DistanceFollowsTheDiagonal) {
  EXPECT_EQ(boundary_distance(480, 640), 16);
  EXPECT_EQ(boundary_distance(4, 4), 1);
  EXPECT_EQ(boundary_distance(75, 100), 2);  // 2.5 rounds to even, as Python's round does
  EXPECT_THROW(rle_boundary(Rle{1, 1, {1}}, 0), Error);
}

}  // namespace
}  // namespace fastermask
