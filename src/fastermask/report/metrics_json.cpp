#include "fastermask/report/metrics_json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// A double as Python's repr(): shortest form, always with a point or an exponent.
std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string metrics_json_line(std::int64_t iteration, const std::map<std::string, double>& values) {
  std::map<std::string, std::string> fields;
  for (const auto& [name, value] : values) fields[name] = python_float(value);
  fields["iteration"] = fmt::format("{}", iteration);
  std::string line = "{";
  for (const auto& [name, text] : fields) {
    if (line.size() > 1) line += ", ";
    line += nlohmann::json(name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + ": " + text;
  }
  return line + "}";
}

MetricsJsonWriter::MetricsJsonWriter(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ < 0) fail("{}: cannot open: {}", path, std::strerror(errno));
  char last = '\n';
  const off_t end = ::lseek(file_, 0, SEEK_END);
  if (end > 0 && ::pread(file_, &last, 1, end - 1) == 1 && last != '\n') append("\n");
}

MetricsJsonWriter::~MetricsJsonWriter() { ::close(file_); }

void MetricsJsonWriter::write(std::int64_t iteration, const std::map<std::string, double>& values) {
  append(metrics_json_line(iteration, values) + "\n");
  if (::fsync(file_) != 0 && errno != EINVAL) fail("{}: cannot flush to disk: {}", path_, std::strerror(errno));
}

void MetricsJsonWriter::append(std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("{}: cannot write: {}", path_, std::strerror(errno));
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace fastermask
