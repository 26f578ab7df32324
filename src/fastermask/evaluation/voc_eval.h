// Pascal VOC's average precision, as detectron2 computes it (evaluation/pascal_voc_evaluation.py, after the VOC
// devkit), on ground truth in COCO's form: an annotation's "ignore" (or "iscrowd") is VOC's "difficult".
#pragma once

#include <string>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/results.h"
#include "fastermask/evaluation/summary.h"

namespace fastermask {

struct VocOptions {
  // VOC 2007: the mean of the highest precision at recall 0, 0.1, ..., 1; later years: the area under the curve.
  bool eleven_points = false;
  // Round scores to 3 decimals and coordinates to 1, as the result files do that detectron2 passes to VOC's evaluation.
  bool round_as_files = true;
};

struct VocResult {
  std::vector<std::string> category_names;  // [C]
  std::vector<std::vector<double>> ap;      // [10][C] at IoU 0.50:0.05:0.95, in [0, 1]; NaN without ground truth

  // Task "bbox" with AP (all thresholds), AP50, AP75: means over categories, times 100.
  TaskMetrics metrics() const;
};

// Average precision of boxes. Equal scores rank in the order given. Throws DataError for an unknown image id or a
// detection without a box.
VocResult evaluate_voc(const CocoGroundTruth& truth, Span<const DetectionRecord> detections,
                       const VocOptions& options = {});

// The average precision of one precision-recall curve: recall rising, one precision for each.
double voc_average_precision(const std::vector<double>& recall, const std::vector<double>& precision,
                             bool eleven_points);

}  // namespace fastermask
