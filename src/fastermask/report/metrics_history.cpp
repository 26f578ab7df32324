// Reads the curves of a training run. A metrics file may have 100 MB; only the chosen lines are parsed, and those with
// AP values are found by their capital A, which hardly occurs elsewhere, at the speed of memchr.
#include "fastermask/report/metrics_history.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace fastermask {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kSmallTextBytes = 1 << 20;
constexpr int kLastLines = 5;

struct MetricsLine {
  double iteration = -1;
  std::vector<std::pair<std::string, double>> values;
};

// Reads one flat JSON object; values that are not numbers (strings, true, null) are passed over.
class MetricsLineReader {
 public:
  explicit MetricsLineReader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool read(MetricsLine& line) {
    if (!take('{')) return false;
    if (take('}')) return false;
    do {
      std::string key;
      double value = kNotANumber;
      if (!read_string(key) || !take(':') || !read_value(value)) return false;
      if (key == "iteration") {
        line.iteration = value;
      } else {
        line.values.emplace_back(std::move(key), value);
      }
    } while (take(','));
    return take('}') && at_rest_is_space() && line.iteration >= 0 && std::isfinite(line.iteration);
  }

 private:
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }

  bool at_rest_is_space() {
    skip_space();
    return at_ == end_;
  }

  bool take(char expected) {
    skip_space();
    if (at_ == end_ || *at_ != expected) return false;
    ++at_;
    return true;
  }

  bool read_string(std::string& out) {
    skip_space();
    if (at_ == end_ || *at_ != '"') return false;
    const char* start = at_++;
    bool escaped = false;
    for (; at_ != end_ && *at_ != '"'; ++at_) {
      if (*at_ == '\\') {
        escaped = true;
        if (++at_ == end_) return false;
      }
    }
    if (at_ == end_) return false;
    ++at_;
    if (!escaped) {
      out.assign(start + 1, at_ - 1);
      return true;
    }
    const auto parsed = nlohmann::json::parse(start, at_, nullptr, false);
    if (!parsed.is_string()) return false;
    out = parsed.get<std::string>();
    return true;
  }

  bool read_value(double& value) {
    skip_space();
    if (at_ != end_ && *at_ == '"') {
      std::string unused;
      return read_string(unused);
    }
    for (const std::string_view word : {"NaN", "Infinity", "-Infinity", "null", "true", "false"}) {
      if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).substr(0, word.size()) == word) {
        at_ += word.size();
        return true;
      }
    }
    const auto [next, error] = std::from_chars(at_, end_, value);
    if (error == std::errc::invalid_argument) return false;
    if (error != std::errc() || !std::isfinite(value)) value = kNotANumber;
    at_ = next;
    return true;
  }

  const char* at_;
  const char* end_;
};

// The line that `position` lies in, without its end.
std::string_view line_around(std::string_view text, std::size_t position) {
  const void* before = position == 0 ? nullptr : memrchr(text.data(), '\n', position);
  const std::size_t start =
      before == nullptr ? 0 : static_cast<std::size_t>(static_cast<const char*>(before) - text.data()) + 1;
  const std::size_t end = text.find('\n', position);
  return text.substr(start, (end == std::string_view::npos ? text.size() : end) - start);
}

std::size_t offset_in(std::string_view text, std::string_view line) {
  return static_cast<std::size_t>(line.data() - text.data());
}

// Of `lines`, `maximum` evenly spread ones, first and last among them.
std::vector<std::string_view> thin_out_lines(std::vector<std::string_view> lines, std::size_t maximum) {
  if (lines.size() <= maximum || maximum < 2) return lines;
  std::vector<std::string_view> kept;
  for (std::size_t i = 0; i < maximum; ++i) kept.push_back(lines[i * (lines.size() - 1) / (maximum - 1)]);
  return kept;
}

std::vector<std::string_view> all_metrics_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = line_around(text, at);
    lines.push_back(line);
    at += line.size() + 1;
  }
  return lines;
}

// Evenly spread lines; a long text is not read between them.
std::vector<std::string_view> sample_metrics_lines(std::string_view text, std::size_t maximum) {
  if (text.size() <= kSmallTextBytes) return thin_out_lines(all_metrics_lines(text), maximum);
  std::vector<std::string_view> lines;
  for (std::size_t i = 0; i < maximum; ++i) {
    const std::string_view line = line_around(text, (text.size() - 1) / maximum * i);
    if (lines.empty() || lines.back().data() != line.data()) lines.push_back(line);
  }
  // The last lines are all taken: one may be half written, and one hold the results of an evaluation alone.
  std::string_view last = line_around(text, text.size() - 2);
  for (int taken = 0; taken < kLastLines; ++taken) {
    lines.push_back(last);
    if (offset_in(text, last) < 2) break;
    last = line_around(text, offset_in(text, last) - 2);
  }
  std::sort(lines.begin(), lines.end(), [](auto a, auto b) { return a.data() < b.data(); });
  const auto same = [](auto a, auto b) { return a.data() == b.data(); };
  lines.erase(std::unique(lines.begin(), lines.end(), same), lines.end());
  return lines;
}

bool is_evaluation_metric(std::string_view name) { return name.find("/AP") != std::string_view::npos; }

bool is_training_metric(std::string_view name) {
  return name == "lr" || name == "time" || name == "data_time" || name == "forward_time" || name == "backward_time" ||
         name == "update_time" || name == "total_loss" || name.substr(0, 5) == "loss_";
}

std::vector<std::string_view> find_evaluation_lines(std::string_view text, std::size_t maximum) {
  std::vector<std::string_view> lines;
  for (std::size_t at = text.find('A'); at != std::string_view::npos; at = text.find('A', at)) {
    const bool found = at >= 1 && text[at - 1] == '/' && at + 1 < text.size() && text[at + 1] == 'P';
    if (!found) {
      ++at;
      continue;
    }
    const std::string_view line = line_around(text, at);
    lines.push_back(line);
    at = std::min(text.size(), offset_in(text, line) + line.size());
  }
  return thin_out_lines(std::move(lines), maximum);
}

// `wanted` says which names count; a line with none of them is no point.
template <class Wanted>
MetricsTable make_metrics_table(const std::vector<std::string_view>& lines, Wanted wanted) {
  std::vector<MetricsLine> points;
  double next = std::numeric_limits<double>::infinity();
  for (auto text = lines.rbegin(); text != lines.rend(); ++text) {
    MetricsLine line;
    if (!MetricsLineReader(*text).read(line) || line.iteration >= next) continue;
    const auto unwanted = [&](const auto& value) { return !wanted(value.first); };
    line.values.erase(std::remove_if(line.values.begin(), line.values.end(), unwanted), line.values.end());
    if (line.values.empty()) continue;
    next = line.iteration;
    points.push_back(std::move(line));
  }
  std::reverse(points.begin(), points.end());
  MetricsTable table;
  for (const MetricsLine& point : points) {
    for (const auto& [name, value] : point.values) {
      auto& series = table.series[name];
      series.resize(points.size(), kNotANumber);
      series[table.iterations.size()] = value;
    }
    table.iterations.push_back(point.iteration);
  }
  return table;
}

}  // namespace

MetricsHistory parse_metrics_history(std::string_view text, std::size_t maximum_points) {
  MetricsHistory history;
  if (text.empty()) return history;
  history.training = make_metrics_table(sample_metrics_lines(text, maximum_points), is_training_metric);
  history.evaluation = make_metrics_table(find_evaluation_lines(text, maximum_points), is_evaluation_metric);
  return history;
}

}  // namespace fastermask
