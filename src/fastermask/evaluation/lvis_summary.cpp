#include "fastermask/evaluation/lvis_summary.h"

#include <fmt/format.h>

#include <limits>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

struct LvisRow {
  const char* metric;
  bool precision;
  double iou;  // < 0: all thresholds
  const char* area;
  char frequency;  // 0: all categories
};

constexpr LvisRow kLvisRows[] = {
    {"AP", true, -1, "all", 0},     {"AP50", true, 0.5, "all", 0},  {"AP75", true, 0.75, "all", 0},
    {"APs", true, -1, "small", 0},  {"APm", true, -1, "medium", 0}, {"APl", true, -1, "large", 0},
    {"APr", true, -1, "all", 'r'},  {"APc", true, -1, "all", 'c'},  {"APf", true, -1, "all", 'f'},
    {"AR", false, -1, "all", 0},    {"ARs", false, -1, "small", 0}, {"ARm", false, -1, "medium", 0},
    {"ARl", false, -1, "large", 0},
};

// Every category has as many entries in the mean over all, so that a mean of the categories' means is the same mean.
double lvis_value(const CocoEvalResult& result, const std::vector<char>& frequencies, const LvisRow& row) {
  const int limit = result.params.max_detections.back();
  if (!row.precision) return result.mean_recall(row.iou, row.area, limit);
  if (row.frequency == 0) return result.mean_precision(row.iou, row.area, limit);
  FASTERMASK_CHECK(frequencies.size() == result.category_ids.size(),
                   "lvis: there must be one frequency a category, got {} for {}", frequencies.size(),
                   result.category_ids.size());
  double sum = 0;
  int count = 0;
  for (std::size_t k = 0; k < frequencies.size(); ++k) {
    if (frequencies[k] != row.frequency) continue;
    const double value = result.mean_precision(row.iou, row.area, limit, static_cast<int>(k));
    if (!(value > -1)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? -1 : sum / count;
}

}  // namespace

TaskMetrics lvis_metrics(const CocoEvalResult& result, const std::vector<char>& frequencies) {
  TaskMetrics metrics;
  metrics.task = iou_type_name(result.params.iou_type);
  for (const LvisRow& row : kLvisRows) {
    const double value = lvis_value(result, frequencies, row);
    metrics.metrics.emplace_back(row.metric, value < 0 ? std::numeric_limits<double>::quiet_NaN() : 100 * value);
  }
  return metrics;
}

std::vector<std::string> lvis_summary_lines(const CocoEvalResult& result, const std::vector<char>& frequencies) {
  const CocoEvalParams& params = result.params;
  std::vector<std::string> lines;
  for (const LvisRow& row : kLvisRows) {
    const std::string iou =
        row.iou < 0 ? fmt::format("{:0.2f}:{:0.2f}", params.iou_thresholds.front(), params.iou_thresholds.back())
                    : fmt::format("{:0.2f}", row.iou);
    const std::string area = std::string(row.area) == "all" ? "all" : std::string(1, row.area[0]);
    const std::string group = row.frequency == 0 ? "all" : std::string(1, row.frequency);
    lines.push_back(fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6s} | maxDets={:>3d} catIds={:>3s}] = {:0.3f}",
                                row.precision ? "Average Precision" : "Average Recall", row.precision ? "(AP)" : "(AR)",
                                iou, area, params.max_detections.back(), group, lvis_value(result, frequencies, row)));
  }
  return lines;
}

}  // namespace fastermask
