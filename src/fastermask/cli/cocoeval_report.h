// The page of `fastermask cocoeval --report`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/error_breakdown.h"

namespace fastermask::cli {

struct CocoevalReport {
  std::string path;          // of the page
  std::string ground_truth;  // file names, as given
  std::string detections;
  std::string image_folder;  // "": no pictures
  std::vector<std::string> summary_lines;
  std::vector<std::string> error_lines;
};

// Writes the page, with pictures of the images that have the most mistakes: on the left the objects missed, on the
// right the wrong detections that score options.confusion_score or more. Without a breakdown (keypoints) there are
// none. An image that cannot be read is left out with a warning.
void write_cocoeval_report(const CocoevalReport& report, const CocoEvalResult& result, const CocoGroundTruth& truth,
                           const std::vector<DetectionRecord>& records, const ErrorBreakdown* breakdown,
                           const ErrorBreakdownOptions& options);

}  // namespace fastermask::cli
