#include "fastermask/base/uninitialised.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <thread>

namespace fastermask {
namespace {

TEST(UninitialisedVector, BehavesAsAVectorDoes) {
  UninitialisedVector<int> values(1000);
  std::iota(values.begin(), values.end(), 0);
  values.resize(300000, 7);
  EXPECT_EQ(values[999], 999);
  EXPECT_EQ(values[1000], 7);
  EXPECT_EQ(values.back(), 7);
  const UninitialisedVector<int> copy = values;
  values.clear();
  values.shrink_to_fit();
  EXPECT_EQ(copy[299999], 7);
  EXPECT_EQ(UninitialisedVector<int>(5, 3), UninitialisedVector<int>({3, 3, 3, 3, 3}));
}

TEST(UninitialisedVector, GivesLargeBlocksOutAgain) {
  const void* first = nullptr;
  {
    UninitialisedVector<std::uint8_t> block(std::size_t{3} << 20);
    block.front() = block.back() = 9;
    first = block.data();
  }
  const UninitialisedVector<std::uint8_t> same(std::size_t{4} << 20);
  EXPECT_EQ(same.data(), first);
  const UninitialisedVector<std::uint8_t> other((std::size_t{4} << 20) + 1);
  EXPECT_NE(other.data(), first);
}

TEST(UninitialisedVector, BlocksOfManyThreadsAreTheirOwn) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([t, &wrong] {
      for (std::size_t round = 0; round < 200; ++round) {
        const auto mark = static_cast<std::uint8_t>(16 * t + round % 16);
        const UninitialisedVector<std::uint8_t> block((1 + (round + t) % 4) << 18, mark);
        for (std::size_t i = 0; i < block.size(); i += 4096) wrong[t] += block[i] != mark;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(UninitialisedVector, MoreThanThereIsIsAnError) {
  EXPECT_THROW(take_block(std::size_t{1} << 62), std::bad_alloc);
  EXPECT_THROW(UninitialisedVector<double>(std::size_t{1} << 58), std::bad_alloc);
}

}  // namespace
}  // namespace fastermask
