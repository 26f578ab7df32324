// What `fastermask cocoeval` prints besides COCO's summary.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/error_breakdown.h"
#include "fastermask/evaluation/summary.h"

namespace fastermask::cli {

// Metrics by name, in [0, 1] instead of percent; null where there is nothing to measure.
nlohmann::ordered_json metrics_json(const TaskMetrics& metrics);

// The names of the classes, each once: the id is added to a name that occurs again.
std::vector<std::string> unique_class_names(const std::vector<std::string>& names,
                                            const std::vector<std::int64_t>& ids);

// {"AP50", "causes": {"localisation": {"count", "AP_gain"}, ...}, "confusion": {"classes": [C], "matrix": [C + 1][C +
// 1]}}
nlohmann::ordered_json error_breakdown_json(const ErrorBreakdown& breakdown,
                                            const std::vector<std::string>& class_names);

// A table of the causes, and the pairs of classes confused most often.
std::vector<std::string> error_breakdown_lines(const ErrorBreakdown& breakdown,
                                               const std::vector<std::string>& class_names);

// Boxes as proposals, best score first: average recall at each limit.
TaskMetrics proposal_metrics(const std::shared_ptr<const CocoGroundTruth>& truth,
                             Span<const DetectionRecord> detections, const std::vector<int>& limits);

}  // namespace fastermask::cli
