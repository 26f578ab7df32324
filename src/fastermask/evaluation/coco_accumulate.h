// From matched detections to precision and recall. Internal to the evaluation layer.
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/coco_match.h"

namespace fastermask {

// Precision, recall and scores of all images with evaluated[i] != 0, without the summary. `images` holds one entry an
// image of the ground truth.
CocoEvalResult accumulate_matches(const CocoGroundTruth& truth, const CocoEvalParams& params,
                                  const std::vector<std::uint8_t>& evaluated, const std::vector<MatchedImage>& images);

}  // namespace fastermask
