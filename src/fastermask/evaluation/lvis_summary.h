// LVIS's figures (lvis-api lvis/eval.py, arXiv:1908.03195): COCO's average precision over the federated ground truth,
// and the same over rare, common and frequent categories. Evaluate with CocoEvalParams::lvis first.
#pragma once

#include <string>
#include <vector>

#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/summary.h"

namespace fastermask {

// Metrics "AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR", "ARs", "ARm", "ARl" times 100, NaN
// where there is nothing to measure. `frequencies`: CocoGroundTruth::category_frequencies().
TaskMetrics lvis_metrics(const CocoEvalResult& result, const std::vector<char>& frequencies);

// The lines that lvis-api prints, without line ends:
// " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 catIds=  r] = 0.324"
std::vector<std::string> lvis_summary_lines(const CocoEvalResult& result, const std::vector<char>& frequencies);

}  // namespace fastermask
