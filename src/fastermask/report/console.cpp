#include "fastermask/report/console.h"

#include <fmt/format.h>

#include "fastermask/base/text.h"

namespace fastermask {

std::string training_log_line(const EventStorage& storage, std::int64_t max_iteration) {
  std::string line = " ";
  if (const ScalarHistory* time = storage.history("time")) {
    const double left = time->median(1000) * static_cast<double>(max_iteration - storage.iteration() - 1);
    line += fmt::format("eta: {}  ", format_duration(left));
  }
  line += fmt::format("iter: {}", storage.iteration());
  for (const std::string& name : storage.names()) {
    if (name.find("loss") != std::string::npos) line += fmt::format("  {}: {:.3f}", name, storage.history(name)->median(20));
  }
  if (const ScalarHistory* time = storage.history("time")) line += fmt::format("  time: {:.4f}", time->global_average());
  if (const ScalarHistory* data = storage.history("data_time")) line += fmt::format("  data_time: {:.4f}", data->average(20));
  if (const ScalarHistory* rate = storage.history("lr")) line += fmt::format("  lr: {:.6f}", rate->latest());
  return line;
}

}  // namespace fastermask
