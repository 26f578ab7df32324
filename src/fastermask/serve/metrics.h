// Counters of the server, in Prometheus' text format (version 0.0.4).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace fastermask {

// How often values fell below each bound.
class Histogram {
 public:
  static constexpr std::array<double, 12> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  void add(double value);
  // Its lines, cumulative as Prometheus wants them.
  std::string text(const std::string& name, const std::string& help) const;

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};  // of the bucket; the last is of what is above every bound
  double sum_ = 0;
};

// Thread-safe.
class Metrics {
 public:
  // A request that was answered. `route` must be one of few names, not what a client sent.
  void add_request(const std::string& route, int status, double seconds);
  // A picture that was predicted, with the time it waited and the size of its batch.
  void add_picture(double queue_seconds, double predict_seconds, int batch_size, std::size_t instances);
  // All lines; `waiting` is the number of pictures in the queue, `resident_bytes` the memory in use.
  std::string text(int waiting, std::int64_t resident_bytes) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> requests_;
  Histogram request_seconds_, queue_seconds_, predict_seconds_;
  std::uint64_t pictures_ = 0, instances_ = 0;
  double batches_ = 0;  // each picture counts as its part of a batch
};

}  // namespace fastermask
