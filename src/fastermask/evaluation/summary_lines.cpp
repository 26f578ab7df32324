// pycocotools' summary of a result.
#include <algorithm>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/summary.h"

namespace fastermask {
namespace {

// One line of the summary.
struct SummaryRow {
  bool precision = true;
  double iou = -1;  // < 0: all thresholds
  std::string area = "all";
  int max_detections = 0;
};

std::vector<SummaryRow> summary_rows(const CocoEvalParams& params) {
  const int last = params.max_detections.back();
  std::vector<SummaryRow> rows;
  if (params.iou_type == IouType::keypoints) {
    for (const bool precision : {true, false}) {
      for (const double iou : {-1.0, 0.5, 0.75}) rows.push_back({precision, iou, "all", last});
      for (const char* area : {"medium", "large"}) rows.push_back({precision, -1, area, last});
    }
    return rows;
  }
  for (const double iou : {-1.0, 0.5, 0.75}) rows.push_back({true, iou, "all", last});
  for (const char* area : {"small", "medium", "large"}) rows.push_back({true, -1, area, last});
  for (const int limit : params.max_detections) rows.push_back({false, -1, "all", limit});
  for (const char* area : {"small", "medium", "large"}) rows.push_back({false, -1, area, last});
  return rows;
}

double row_value(const CocoEvalResult& result, const SummaryRow& row) {
  return row.precision ? result.mean_precision(row.iou, row.area, row.max_detections)
                       : result.mean_recall(row.iou, row.area, row.max_detections);
}

// Index of an area label or limit among those evaluated, or -1.
int area_index(const CocoEvalParams& params, const std::string& label) {
  for (std::size_t a = 0; a < params.area_ranges.size(); ++a) {
    if (params.area_ranges[a].label == label) return static_cast<int>(a);
  }
  return -1;
}

int limit_index(const CocoEvalParams& params, int limit) {
  const auto found = std::find(params.max_detections.begin(), params.max_detections.end(), limit);
  return found == params.max_detections.end() ? -1 : static_cast<int>(found - params.max_detections.begin());
}

// Mean of values above -1, with an exact enough sum whatever their order.
class MeanOfPresent {
 public:
  void add(double value) {
    if (!(value > -1)) return;
    sum_ += value;
    ++count_;
  }
  double mean() const { return count_ == 0 ? -1 : static_cast<double>(sum_ / static_cast<long double>(count_)); }

 private:
  long double sum_ = 0;
  std::size_t count_ = 0;
};

}  // namespace

double CocoEvalResult::precision_at(std::size_t t, std::size_t r, std::size_t k, std::size_t a, std::size_t m) const {
  const std::size_t limits = params.max_detections.size();
  return precision[(((t * params.recall_thresholds.size() + r) * category_ids.size() + k) * params.area_ranges.size() +
                    a) *
                       limits +
                   m];
}

double CocoEvalResult::recall_at(std::size_t t, std::size_t k, std::size_t a, std::size_t m) const {
  return recall[((t * category_ids.size() + k) * params.area_ranges.size() + a) * params.max_detections.size() + m];
}

double CocoEvalResult::mean_precision(double iou_threshold, const std::string& area, int max_detections,
                                      int category) const {
  const int a = area_index(params, area);
  const int m = limit_index(params, max_detections);
  if (a < 0 || m < 0) return -1;
  MeanOfPresent mean;
  for (std::size_t t = 0; t < params.iou_thresholds.size(); ++t) {
    if (iou_threshold >= 0 && params.iou_thresholds[t] != iou_threshold) continue;
    for (std::size_t r = 0; r < params.recall_thresholds.size(); ++r) {
      for (std::size_t k = 0; k < category_ids.size(); ++k) {
        if (category >= 0 && k != static_cast<std::size_t>(category)) continue;
        mean.add(precision_at(t, r, k, static_cast<std::size_t>(a), static_cast<std::size_t>(m)));
      }
    }
  }
  return mean.mean();
}

double CocoEvalResult::mean_recall(double iou_threshold, const std::string& area, int max_detections,
                                   int category) const {
  const int a = area_index(params, area);
  const int m = limit_index(params, max_detections);
  if (a < 0 || m < 0) return -1;
  MeanOfPresent mean;
  for (std::size_t t = 0; t < params.iou_thresholds.size(); ++t) {
    if (iou_threshold >= 0 && params.iou_thresholds[t] != iou_threshold) continue;
    for (std::size_t k = 0; k < category_ids.size(); ++k) {
      if (category >= 0 && k != static_cast<std::size_t>(category)) continue;
      mean.add(recall_at(t, k, static_cast<std::size_t>(a), static_cast<std::size_t>(m)));
    }
  }
  return mean.mean();
}

std::vector<std::string> coco_summary_lines(const CocoEvalResult& result) {
  const CocoEvalParams& params = result.params;
  std::vector<std::string> lines;
  for (const SummaryRow& row : summary_rows(params)) {
    const std::string iou =
        row.iou < 0 ? fmt::format("{:0.2f}:{:0.2f}", params.iou_thresholds.front(), params.iou_thresholds.back())
                    : fmt::format("{:0.2f}", row.iou);
    lines.push_back(fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6s} | maxDets={:>3d} ] = {:0.3f}",
                                row.precision ? "Average Precision" : "Average Recall", row.precision ? "(AP)" : "(AR)",
                                iou, row.area, row.max_detections, row_value(result, row)));
  }
  return lines;
}

std::vector<double> coco_summary_stats(const CocoEvalResult& result) {
  std::vector<double> stats;
  for (const SummaryRow& row : summary_rows(result.params)) stats.push_back(row_value(result, row));
  return stats;
}

std::vector<double> per_category_ap(const CocoEvalResult& result) {
  const CocoEvalParams& params = result.params;
  std::vector<double> values;
  for (std::size_t k = 0; k < result.category_ids.size(); ++k) {
    const double ap =
        result.mean_precision(-1, params.area_ranges.front().label, params.max_detections.back(), static_cast<int>(k));
    values.push_back(ap < 0 ? std::numeric_limits<double>::quiet_NaN() : ap);
  }
  return values;
}

}  // namespace fastermask
