// Threads that stand by to share loops: what parallel_for (parallel.h) runs on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <thread>

#include "fastermask/base/function_ref.h"

namespace fastermask {

// How long a thread that has nothing to do should look for work before it sleeps. Waking a thread costs tens of
// microseconds, of which a training step has hundreds; but a thread that spins takes its core from those that have work.
// So it spins for 2 ms while there are cores for all, which it tells by how long the kernel has let it wait for one, and
// for 20 us otherwise or in a container whose processor time is limited. OMP_WAIT_POLICY settles it, where it is set:
// ACTIVE spins for 2 ms always, PASSIVE never.
class SpinLimit {
 public:
  // From now on. To be asked by the thread that is going to spin; looks at the kernel's figures now and then.
  std::chrono::nanoseconds get();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point looked_{};
  std::int64_t waited_ = 0;  // for a core, since the thread began, in nanoseconds
  bool alone_ = false;
};

// One caller and its workers. Workers begin when first needed and stay.
class ThreadTeam {
 public:
  ThreadTeam() = default;
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  // Runs part(0) to part(threads - 1), each once, part(0) in the calling thread, and returns when all are done; `part`
  // must not throw. Where the system gives no more threads, the calling thread runs their parts, too. One call at a time.
  void run(int threads, FunctionRef<void(int)> part);

 private:
  struct alignas(64) Worker {
    std::atomic<std::uint32_t> state{0};
    std::thread thread;
  };

  void work(Worker& worker, int part);
  bool add_worker();
  void await_workers();

  std::deque<Worker> workers_;  // they stay where they are
  const FunctionRef<void(int)>* part_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> busy_{0};  // workers not done yet; and kCallerSleeps
};

}  // namespace fastermask
