// Sees to it that gradients come back. Gloo's sums fail past their time-out, and so do NCCL's once it is connected;
// MPI's and vendors' may wait for ever, inside c10d's Reducer, where nothing can be thrown.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace fastermask {

// While it is armed for longer than the limit, this process ends with status 1, after saying which ranks are lost and
// what they were doing, and telling the others. Thread-safe.
class GradientWatch {
 public:
  //   backend  for the message
  GradientWatch(std::string backend, std::chrono::milliseconds limit);
  ~GradientWatch();
  GradientWatch(const GradientWatch&) = delete;
  GradientWatch& operator=(const GradientWatch&) = delete;

  // Something is on its way; the limit begins anew.
  void arm();

  // All is back.
  void disarm();

 private:
  void run();

  std::string backend_;
  std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  bool armed_ = false;
  std::chrono::steady_clock::time_point deadline_;
  std::thread thread_;
};

}  // namespace fastermask
