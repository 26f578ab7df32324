#include "fastermask/cli/cocoeval_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/proposal_recall.h"

namespace fastermask::cli {
namespace {

constexpr std::size_t kConfusionsListed = 10;

struct Confusion {
  std::int64_t count = 0;
  std::size_t truth = 0, detected = 0;
};

// Pairs of two different classes, the most frequent first.
std::vector<Confusion> frequent_confusions(const ErrorBreakdown& breakdown, std::size_t classes) {
  std::vector<Confusion> pairs;
  for (std::size_t row = 0; row < classes; ++row) {
    for (std::size_t column = 0; column < classes; ++column) {
      const std::int64_t count = breakdown.confusion[row * (classes + 1) + column];
      if (row != column && count > 0) pairs.push_back({count, row, column});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  if (pairs.size() > kConfusionsListed) pairs.resize(kConfusionsListed);
  return pairs;
}

}  // namespace

nlohmann::ordered_json metrics_json(const TaskMetrics& metrics) {
  nlohmann::ordered_json numbers = nlohmann::ordered_json::object();
  for (const auto& [name, value] : metrics.metrics) {
    numbers[name] = std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value / 100);
  }
  return numbers;
}

std::vector<std::string> unique_class_names(const std::vector<std::string>& names,
                                            const std::vector<std::int64_t>& ids) {
  std::set<std::string> used;
  std::vector<std::string> unique;
  for (std::size_t k = 0; k < names.size(); ++k) {
    std::string name = names[k];
    if (used.count(name) > 0) name += fmt::format(" ({})", ids[k]);
    used.insert(name);
    unique.push_back(std::move(name));
  }
  return unique;
}

nlohmann::ordered_json error_breakdown_json(const ErrorBreakdown& breakdown,
                                            const std::vector<std::string>& class_names) {
  nlohmann::ordered_json document;
  document["AP50"] = breakdown.ap;
  for (std::size_t i = 0; i < kErrorCauses; ++i) {
    document["causes"][error_cause_name(static_cast<ErrorCause>(i))] = {{"count", breakdown.counts[i]},
                                                                        {"AP_gain", breakdown.ap_gain[i]}};
  }
  const std::size_t side = class_names.size() + 1;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t row = 0; row < side; ++row) {
    const auto begin = breakdown.confusion.begin() + static_cast<std::ptrdiff_t>(row * side);
    rows.push_back(std::vector<std::int64_t>(begin, begin + static_cast<std::ptrdiff_t>(side)));
  }
  document["confusion"] = {{"classes", class_names}, {"matrix", std::move(rows)}};
  return document;
}

std::vector<std::string> error_breakdown_lines(const ErrorBreakdown& breakdown,
                                               const std::vector<std::string>& class_names) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("Errors at IoU 0.50 (AP50 = {:.3f}): how many, and how much AP50 would rise without them",
                              breakdown.ap));
  for (std::size_t i = 0; i < kErrorCauses; ++i) {
    lines.push_back(fmt::format(" {:<14} {:>8} {:>+8.3f}", error_cause_name(static_cast<ErrorCause>(i)),
                                breakdown.counts[i], breakdown.ap_gain[i]));
  }
  for (const Confusion& pair : frequent_confusions(breakdown, class_names.size())) {
    lines.push_back(
        fmt::format(" {} taken for {}: {}", class_names[pair.truth], class_names[pair.detected], pair.count));
  }
  return lines;
}

TaskMetrics proposal_metrics(const std::shared_ptr<const CocoGroundTruth>& truth,
                             Span<const DetectionRecord> detections, const std::vector<int>& limits) {
  std::map<std::int64_t, std::vector<const DetectionRecord*>> by_image;
  for (const DetectionRecord& detection : detections) by_image[detection.image_id].push_back(&detection);
  ProposalRecall recall(truth, limits);
  std::vector<Box> boxes;
  for (auto& [image, records] : by_image) {
    std::stable_sort(records.begin(), records.end(), [](const auto* a, const auto* b) { return a->score > b->score; });
    boxes.clear();
    for (const DetectionRecord* record : records) {
      const float x = static_cast<float>(record->xywh[0]);
      const float y = static_cast<float>(record->xywh[1]);
      boxes.push_back({x, y, x + static_cast<float>(record->xywh[2]), y + static_cast<float>(record->xywh[3])});
    }
    recall.add(image, boxes);
  }
  return recall.metrics();
}

}  // namespace fastermask::cli
