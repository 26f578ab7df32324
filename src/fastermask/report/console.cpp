#include "fastermask/report/console.h"

#include <fmt/format.h>

#include <cmath>

#include "fastermask/base/text.h"

namespace fastermask {

double remaining_seconds(const EventStorage& storage, std::int64_t max_iteration) {
  const ScalarHistory* time = storage.history("time");
  if (time == nullptr) return std::nan("");
  return time->median(1000) * static_cast<double>(max_iteration - storage.iteration());
}

std::string training_log_line(const EventStorage& storage, std::int64_t max_iteration) {
  const ScalarHistory* time = storage.history("time");
  const ScalarHistory* data_time = storage.history("data_time");
  const ScalarHistory* rate = storage.history("lr");
  std::string line = " ";
  if (time != nullptr) line += fmt::format("eta: {}  ", format_duration(remaining_seconds(storage, max_iteration)));
  line += fmt::format("iter: {}", storage.iteration());
  for (const std::string& name : storage.names()) {
    if (name.find("loss") == std::string::npos) continue;
    line += fmt::format("  {}: {:.3f}", name, storage.history(name)->median(20));
  }
  if (time != nullptr) line += fmt::format("  time: {:.4f}", time->global_average());
  if (data_time != nullptr) line += fmt::format("  data_time: {:.4f}", data_time->average(20));
  if (rate != nullptr) line += fmt::format("  lr: {:.6f}", rate->latest());
  return line;
}

}  // namespace fastermask
