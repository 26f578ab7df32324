#include "fastermask/serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fastermask {

void Histogram::add(double value) {
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), value);
  ++counts_[static_cast<std::size_t>(bound - kBounds.begin())];
  sum_ += value;
}

std::string Histogram::text(const std::string& name, const std::string& help) const {
  std::string out = fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    total += counts_[i];
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], total);
  }
  total += counts_[kBounds.size()];
  return out + fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, total, sum_);
}

void Metrics::add_request(const std::string& route, int status, double seconds) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++requests_[{route, status}];
  if (route == "/v1/predict") request_seconds_.add(seconds);
}

void Metrics::add_picture(double queue_seconds, double predict_seconds, int batch_size, std::size_t instances) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++pictures_;
  instances_ += instances;
  batches_ += 1.0 / batch_size;
  queue_seconds_.add(queue_seconds);
  predict_seconds_.add(predict_seconds);
}

std::string Metrics::text(int waiting, std::int64_t resident_bytes) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string out;
  const auto add = [&out](const std::string& name, const std::string& type, const std::string& help, auto value) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
  };
  out +=
      "# HELP fastermask_requests_total Requests answered, by route and status\n"
      "# TYPE fastermask_requests_total counter\n";
  for (const auto& [key, count] : requests_)
    out += fmt::format("fastermask_requests_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
  add("fastermask_pictures_total", "counter", "Pictures predicted", pictures_);
  add("fastermask_instances_total", "counter", "Instances found", instances_);
  add("fastermask_batches_total", "counter", "Batches predicted", std::llround(batches_));
  add("fastermask_queue_pictures", "gauge", "Pictures admitted and not answered yet", waiting);
  add("process_resident_memory_bytes", "gauge", "Resident memory", resident_bytes);
  out += request_seconds_.text("fastermask_request_seconds", "Whole time of requests to /v1/predict");
  out += queue_seconds_.text("fastermask_queue_seconds", "Time a picture waited for its batch");
  out += predict_seconds_.text("fastermask_predict_seconds", "Time of a picture's batch");
  return out;
}

}  // namespace fastermask
