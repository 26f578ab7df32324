#include "fastermask/base/thread_team.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <string>
#include <system_error>

#include "fastermask/base/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fastermask {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::uint32_t kIdle = 0, kAsleep = 1, kHasWork = 2, kMustEnd = 3;  // a worker's states
constexpr std::uint32_t kCallerSleeps = 1U << 31;

constexpr microseconds kLongSpin{2000};  // alone on the machine: longer than a step's pauses between loops
constexpr microseconds kShortSpin{20};
constexpr milliseconds kLookEvery{20};
constexpr std::int64_t kMostWaiting = 10;  // a thread that waits more than 1/10 of its time for a core is not alone

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  static_assert(sizeof(word) == sizeof(std::uint32_t), "the kernel looks at the number itself");
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake_one(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until ready() or beyond `limit`; what ready() says last. Lets others that wait for this core have it.
template <class Ready>
bool spin(nanoseconds limit, const Ready& ready) {
  constexpr int kLooks = 64;  // some microseconds
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < limit) {
    for (int i = 0; i < kLooks; ++i) {
      if (ready()) return true;
      relax();
    }
    sched_yield();
  }
  return ready();
}

enum class WaitPolicy { kAdaptive, kActive, kPassive };

WaitPolicy wait_policy() {
  static const WaitPolicy policy = [] {
    const char* set = std::getenv("OMP_WAIT_POLICY");
    std::string name = set == nullptr ? "" : set;
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (name == "ACTIVE") return WaitPolicy::kActive;
    if (name == "PASSIVE") return WaitPolicy::kPassive;
    return WaitPolicy::kAdaptive;
  }();
  return policy;
}

// In a container whose processor time is limited, spinning is paid for by those that work.
bool time_is_limited() {
  static const bool limited = core_limit() > 0;
  return limited;
}

// How long this thread has waited for a core while it could have run, in nanoseconds since it began; < 0 where the
// kernel does not say.
std::int64_t time_waited_for_a_core() {
  const int file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  char text[64];
  const ssize_t size = read(file, text, sizeof(text) - 1);
  close(file);
  if (size <= 0) return -1;
  text[size] = 0;
  char* rest = nullptr;
  std::strtoll(text, &rest, 10);  // how long it ran
  return std::strtoll(rest, nullptr, 10);
}

}  // namespace

nanoseconds SpinLimit::get() {
  if (wait_policy() != WaitPolicy::kAdaptive)
    return wait_policy() == WaitPolicy::kActive ? nanoseconds(kLongSpin) : nanoseconds(0);
  if (time_is_limited()) return kShortSpin;
  const Clock::time_point now = Clock::now();
  if (now - looked_ >= kLookEvery) {
    const std::int64_t waited = time_waited_for_a_core();
    alone_ = waited >= 0 && waited_ >= 0 && (waited - waited_) * kMostWaiting <= nanoseconds(now - looked_).count();
    waited_ = waited;
    looked_ = now;
  }
  return alone_ ? kLongSpin : kShortSpin;
}

ThreadTeam::~ThreadTeam() {
  for (Worker& worker : workers_)
    if (worker.state.exchange(kMustEnd) == kAsleep) wake_one(worker.state);
  for (Worker& worker : workers_) worker.thread.join();
}

void ThreadTeam::work(Worker& worker, int part) {
  SpinLimit limit;
  while (true) {
    const auto called = [&] { return worker.state.load(std::memory_order_acquire) != kIdle; };
    if (!spin(limit.get(), called)) {
      std::uint32_t state = kIdle;
      if (worker.state.compare_exchange_strong(state, kAsleep))
        while (worker.state.load(std::memory_order_acquire) == kAsleep) sleep_while(worker.state, kAsleep);
    }
    if (worker.state.load(std::memory_order_acquire) == kMustEnd) return;
    (*part_)(part);
    worker.state.store(kIdle, std::memory_order_relaxed);  // before busy_: then the next call may come
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == (kCallerSleeps | 1)) wake_one(busy_);
  }
}

bool ThreadTeam::add_worker() {
  const int part = static_cast<int>(workers_.size()) + 1;
  Worker& worker = workers_.emplace_back();
  try {
    worker.thread = std::thread([this, &worker, part] { work(worker, part); });
    return true;
  } catch (const std::system_error&) {  // no more threads: the caller does it all
    workers_.pop_back();
    return false;
  }
}

void ThreadTeam::await_workers() {
  static thread_local SpinLimit limit;
  const auto done = [this] { return busy_.load(std::memory_order_acquire) == 0; };
  if (spin(limit.get(), done)) return;
  std::uint32_t busy = busy_.fetch_or(kCallerSleeps, std::memory_order_acq_rel) | kCallerSleeps;
  while (busy != kCallerSleeps) {
    sleep_while(busy_, busy);
    busy = busy_.load(std::memory_order_acquire);
  }
}

void ThreadTeam::run(int threads, FunctionRef<void(int)> part) {
  int helpers = threads - 1;
  while (static_cast<int>(workers_.size()) < helpers)
    if (!add_worker()) helpers = static_cast<int>(workers_.size());
  part_ = &part;
  busy_.store(static_cast<std::uint32_t>(helpers), std::memory_order_relaxed);
  for (int i = 0; i < helpers; ++i) {
    Worker& worker = workers_[static_cast<std::size_t>(i)];
    if (worker.state.exchange(kHasWork, std::memory_order_acq_rel) == kAsleep) wake_one(worker.state);
  }
  part(0);
  for (int i = helpers + 1; i < threads; ++i) part(i);
  if (helpers > 0) await_workers();
}

}  // namespace fastermask
