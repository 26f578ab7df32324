#include "fastermask/base/thread_team.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

constexpr std::chrono::milliseconds kUntilAsleep{20};  // beyond what a thread spins

TEST(ThreadTeam, RunsEachPartOnceInAThreadOfItsOwn) {
  ThreadTeam team;
  for (int round = 0; round < 200; ++round) {
    const int threads = 1 + round % 5;  // more and fewer than before
    std::array<std::atomic<int>, 5> runs{};
    std::array<std::thread::id, 5> ids;
    team.run(threads, [&](int part) {
      ++runs.at(static_cast<std::size_t>(part));
      ids.at(static_cast<std::size_t>(part)) = std::this_thread::get_id();
    });
    for (int part = 0; part < 5; ++part) EXPECT_EQ(runs.at(static_cast<std::size_t>(part)), part < threads ? 1 : 0);
    EXPECT_EQ(ids[0], std::this_thread::get_id());
    EXPECT_EQ(std::set<std::thread::id>(ids.begin(), ids.begin() + threads).size(), static_cast<std::size_t>(threads));
  }
}

TEST(ThreadTeam, WakesWorkersThatSleepAndACallerThatDoes) {
  ThreadTeam team;
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> done{0};
    team.run(3, [&](int part) {
      if (part == 2) std::this_thread::sleep_for(kUntilAsleep);
      ++done;
    });
    EXPECT_EQ(done, 3);
    std::this_thread::sleep_for(kUntilAsleep);
  }
}

TEST(ThreadTeam, EndsWithWorkersAsleepOrAwake) {
  for (const bool asleep : {false, true}) {
    ThreadTeam team;
    team.run(4, [](int) {});
    if (asleep) std::this_thread::sleep_for(kUntilAsleep);
  }
}

// Callers of parallel_for each have a team, which they leave to whoever comes next.
TEST(ThreadTeam, ServesManyCallersAtOnce) {
  set_num_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        std::atomic<std::int64_t> sum{0};
        parallel_for(0, 100, 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t k = begin; k < end; ++k) sum += k;
        });
        if (sum != 4950) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  set_num_threads(0);
}

TEST(ThreadTeam, AForkedProcessHasThreadsOfItsOwn) {
  set_num_threads(3);
  const auto sum = [] {
    std::atomic<std::int64_t> total{0};
    parallel_for(0, 100, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) total += k;
    });
    return total.load();
  };
  EXPECT_EQ(sum(), 4950);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // waiting for threads that are not there would take for ever
    _exit(sum() == 4950 && sum() == 4950 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(sum(), 4950);
  set_num_threads(0);
}

// A policy is read once in a process, so each test asks a process of its own.
class SpinLimitOf : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // Status 0 when the limit is as expected.
  [[noreturn]] static void expect(const char* policy, std::chrono::nanoseconds expected) {
    setenv("OMP_WAIT_POLICY", policy, 1);
    SpinLimit limit;
    std::_Exit(limit.get() == expected ? 0 : 1);
  }
  [[noreturn]] static void expect_to_adapt();
};

TEST_F(SpinLimitOf, APassiveProgramIsNone) {
  EXPECT_EXIT(expect("passive", std::chrono::nanoseconds(0)), testing::ExitedWithCode(0), "");
}

TEST_F(SpinLimitOf, AnActiveProgramIsTwoMilliseconds) {
  EXPECT_EXIT(expect("ACTIVE", std::chrono::milliseconds(2)), testing::ExitedWithCode(0), "");
}

void SpinLimitOf::expect_to_adapt() {
  unsetenv("OMP_WAIT_POLICY");
  const bool can_tell = core_limit() == 0 && std::ifstream("/proc/thread-self/schedstat").good();
  SpinLimit limit;
  std::atomic<bool> end{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 3 * available_cores(); ++i)
    others.emplace_back([&] {
      while (!end) {
      }
    });
  limit.get();
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500)) {
  }
  const auto crowded = limit.get();
  end = true;
  for (std::thread& other : others) other.join();
  auto alone = crowded;  // other programs may be busy here: one quiet moment is enough
  for (int i = 0; i < 200 && alone == crowded; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    alone = limit.get();
  }
  const bool short_when_crowded = crowded == std::chrono::microseconds(20);
  const bool long_when_alone = alone == std::chrono::milliseconds(2);
  std::_Exit(short_when_crowded && long_when_alone == can_tell ? 0 : 1);
}

TEST_F(SpinLimitOf, OthersIsShortWhileThreadsWaitForCoresAndLongWhenTheyDoNot) {
  EXPECT_EXIT(expect_to_adapt(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fastermask
