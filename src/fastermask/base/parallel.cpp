#include "fastermask/base/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/thread_team.h"

namespace fastermask {
namespace {

std::atomic<int> g_num_threads{0};
thread_local bool t_serial = false;

}  // namespace

// A cgroup v2 container says "max 100000" or "150000 100000".
int core_limit() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  try {
    return static_cast<int>(std::ceil(std::stod(quota) / period));
  } catch (const std::exception&) {
    return 0;
  }
}

int available_cores() {
  int cores = 1;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = CPU_COUNT(&set);
  const int limit = core_limit();
  if (limit > 0) cores = std::min(cores, limit);
  return std::max(cores, 1);
}

void set_num_threads(int count) {
  FASTERMASK_CHECK(count >= 0, "threads: the count must be 0 (all cores) or positive, got {}", count);
  g_num_threads = count == 0 ? available_cores() : count;
}

int num_threads() {
  if (t_serial) return 1;
  if (g_num_threads == 0) set_num_threads(0);
  return g_num_threads;
}

namespace {

// Hands out [begin, end) range by range, each a share of what is left: long ones first, short ones for those that are
// done early. Which ranges there are does not depend on who takes them.
class SharedRange {
 public:
  SharedRange(std::int64_t begin, std::int64_t end, std::int64_t grain, int threads)
      : next_(begin), end_(end), shares_(2 * static_cast<std::int64_t>(threads)) {
    constexpr std::int64_t kMostRanges = 16;  // a thread's, about
    least_ = std::max(grain, (end - begin + kMostRanges * threads - 1) / (kMostRanges * threads));
  }

  bool take(std::int64_t& begin, std::int64_t& end) {
    begin = next_.load(std::memory_order_relaxed);
    do {
      if (begin >= end_) return false;
      end = std::min(end_, begin + std::max(least_, (end_ - begin) / shares_));
    } while (!next_.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    return true;
  }

 private:
  std::atomic<std::int64_t> next_;
  std::int64_t end_;
  std::int64_t shares_;
  std::int64_t least_;
};

// A team that nobody else uses meanwhile: the one used last, whose threads are most likely awake, or a new one.
class TeamLease {
 public:
  TeamLease() {
    const std::lock_guard<std::mutex> lock(free_teams().mutex);
    std::vector<std::unique_ptr<ThreadTeam>>& teams = free_teams().teams;
    if (teams.empty()) {
      team_ = std::make_unique<ThreadTeam>();
      teams.reserve(++free_teams().count);  // giving it back must not fail
      return;
    }
    team_ = std::move(teams.back());
    teams.pop_back();
  }
  ~TeamLease() {
    const std::lock_guard<std::mutex> lock(free_teams().mutex);
    free_teams().teams.push_back(std::move(team_));
  }
  TeamLease(const TeamLease&) = delete;
  TeamLease& operator=(const TeamLease&) = delete;

  ThreadTeam* operator->() const { return team_.get(); }

 private:
  struct FreeTeams {
    std::mutex mutex;
    std::vector<std::unique_ptr<ThreadTeam>> teams;
    std::size_t count = 0;  // of all teams
  };
  static FreeTeams& free_teams() {
    static auto& teams = *make_free_teams();  // not destroyed: loops may run while the program ends
    return teams;
  }

  // A process that is forked has none of the threads: its loops need teams of their own.
  static FreeTeams* make_free_teams() {
    pthread_atfork([] { free_teams().mutex.lock(); }, [] { free_teams().mutex.unlock(); },
                   [] {
                     for (std::unique_ptr<ThreadTeam>& team : free_teams().teams) team.release();
                     free_teams().teams.clear();
                     free_teams().mutex.unlock();
                   });
    return new FreeTeams;
  }

  std::unique_ptr<ThreadTeam> team_;
};

}  // namespace

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  FunctionRef<void(std::int64_t, std::int64_t)> body) {
  const std::int64_t count = end - begin;
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t most = (count + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<std::int64_t>(num_threads(), most));
  if (threads <= 1) {
    body(begin, end);
    return;
  }
  std::exception_ptr first_error;
  std::mutex mutex;
  const bool one_each = most == threads;
  SharedRange ranges(begin, end, grain, threads);
  const auto part = [&](int index) {
    const SerialScope inner;  // loops in this one run inline
    try {
      std::int64_t range_begin = begin + count * index / threads, range_end = begin + count * (index + 1) / threads;
      if (one_each) {
        body(range_begin, range_end);
      } else {
        while (ranges.take(range_begin, range_end)) body(range_begin, range_end);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!first_error) first_error = std::current_exception();
    }
  };
  TeamLease()->run(threads, part);
  if (first_error) std::rethrow_exception(first_error);
}

SerialScope::SerialScope() : previous_(t_serial) { t_serial = true; }
SerialScope::~SerialScope() { t_serial = previous_; }

}  // namespace fastermask
