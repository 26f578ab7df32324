#include "fastermask/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

class ParallelFor : public ::testing::Test {
 protected:
  void SetUp() override { set_num_threads(4); }
  void TearDown() override { set_num_threads(0); }
};

TEST_F(ParallelFor, VisitsEveryIndexOnce) {
  std::vector<std::atomic<int>> visits(1003);
  parallel_for(3, 1003, 10, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
  });
  for (std::size_t i = 0; i < visits.size(); ++i) EXPECT_EQ(visits[i], i < 3 ? 0 : 1) << i;
}

TEST_F(ParallelFor, GivesTheSameRangesWhoeverTakesThem) {
  const auto ranges = [] {
    std::mutex mutex;
    std::set<std::pair<std::int64_t, std::int64_t>> found;
    parallel_for(7, 1007, 3, [&](std::int64_t begin, std::int64_t end) {
      const std::lock_guard<std::mutex> lock(mutex);
      found.emplace(begin, end);
    });
    return found;
  };
  const auto first = ranges();
  EXPECT_GT(first.size(), 8u);
  for (const auto& [begin, end] : first) EXPECT_TRUE(end - begin >= 3 || end == 1007) << begin << " to " << end;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ranges(), first);
}

TEST_F(ParallelFor, LetsOthersDoWhatASlowThreadHasNotBegun) {
  std::atomic<std::int64_t> done{0};
  parallel_for(0, 1000, 1, [&](std::int64_t begin, std::int64_t end) {
    if (begin == 0) {  // as slow as all others together
      const auto start = std::chrono::steady_clock::now();
      while (done + end < 1000 && std::chrono::steady_clock::now() - start < std::chrono::seconds(20))
        std::this_thread::yield();
      EXPECT_EQ(done + end, 1000);
    }
    done += end - begin;
  });
  EXPECT_EQ(done, 1000);
}

TEST_F(ParallelFor, DoesNothingForAnEmptyRange) {
  parallel_for(5, 5, 1, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST_F(ParallelFor, RunsInlineWhenTheWorkIsNoMoreThanTheGrain) {
  int calls = 0;
  parallel_for(0, 10, 10, [&](std::int64_t begin, std::int64_t end) {
    ++calls;
    EXPECT_EQ(end - begin, 10);
  });
  EXPECT_EQ(calls, 1);
}

TEST_F(ParallelFor, BringsAnExceptionToTheCaller) {
  EXPECT_THROW(parallel_for(0, 100, 1, [](std::int64_t begin, std::int64_t) {
                 if (begin == 0) throw std::runtime_error("broken");
               }),
               std::runtime_error);
}

TEST_F(ParallelFor, RunsInlineInsideItself) {
  std::atomic<int> inner_calls{0};
  parallel_for(0, 4, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      EXPECT_EQ(num_threads(), 1);
      parallel_for(0, 100, 1, [&](std::int64_t, std::int64_t) { ++inner_calls; });
    }
  });
  EXPECT_EQ(inner_calls, 4);
}

TEST_F(ParallelFor, RunsInlineInASerialScope) {
  EXPECT_EQ(num_threads(), 4);
  {
    const SerialScope scope;
    EXPECT_EQ(num_threads(), 1);
  }
  EXPECT_EQ(num_threads(), 4);
}

TEST_F(ParallelFor, SerialScopeHoldsForItsOwnThreadOnly) {
  const SerialScope scope;
  int other = 0;
  std::thread([&other] { other = num_threads(); }).join();
  EXPECT_EQ(other, 4);
}

TEST(Threads, ThereIsAtLeastOneCore) { EXPECT_GE(available_cores(), 1); }

TEST(Threads, ANegativeCountIsRefused) { EXPECT_THROW(set_num_threads(-1), Error); }

}  // namespace
}  // namespace fastermask
