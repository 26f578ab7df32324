#include "fastermask/training/gradient_watch.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "fastermask/base/log.h"
#include "fastermask/training/distributed.h"

namespace fastermask {

GradientWatch::GradientWatch(std::string backend, std::chrono::milliseconds limit)
    : backend_(std::move(backend)), limit_(limit), thread_([this] { run(); }) {}

GradientWatch::~GradientWatch() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GradientWatch::arm() {
  const std::lock_guard<std::mutex> lock(mutex_);
  deadline_ = std::chrono::steady_clock::now() + limit_;
  if (std::exchange(armed_, true)) return;
  changed_.notify_all();
}

void GradientWatch::disarm() {
  const std::lock_guard<std::mutex> lock(mutex_);
  armed_ = false;
}

void GradientWatch::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!ending_) {
    if (!armed_) {
      changed_.wait(lock);
      continue;
    }
    const auto deadline = deadline_;
    if (std::chrono::steady_clock::now() < deadline) {
      changed_.wait_until(lock, deadline);
      continue;
    }
    const std::string why = fmt::format("gradients sent by {} have not come back for {:g} s", backend_,
                                        std::chrono::duration<double>(limit_).count());
    const std::string lost = distributed::lost_ranks();
    log_error("engine.launch", "rank {}: {}{}", distributed::rank(), why, lost);
    distributed::report_failure(why + lost);
    std::_Exit(1);
  }
}

}  // namespace fastermask
