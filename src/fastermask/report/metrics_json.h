// metrics.json: one JSON object a line, as detectron2's JSONWriter appends them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace fastermask {

// {"bbox/AP": 53.0, "iteration": 19, ...}: keys sorted, numbers as Python prints them (shortest form that reads back;
// NaN and Infinity as words), no line end.
std::string metrics_json_line(std::int64_t iteration, const std::map<std::string, double>& values);

// Appends lines to a file; each is on the disk when write() returns.
class MetricsJsonWriter {
 public:
  // Opens for appending, on a line of its own when the last line was cut off. Throws Error when that fails.
  explicit MetricsJsonWriter(const std::string& path);
  ~MetricsJsonWriter();
  MetricsJsonWriter(const MetricsJsonWriter&) = delete;
  MetricsJsonWriter& operator=(const MetricsJsonWriter&) = delete;

  // Throws Error when the line cannot be written (a full disk, say).
  void write(std::int64_t iteration, const std::map<std::string, double>& values);

 private:
  void append(std::string_view text);

  std::string path_;
  int file_ = -1;
};

}  // namespace fastermask
