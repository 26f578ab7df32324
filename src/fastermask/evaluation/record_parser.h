// Parses single detection records of a results file. Internal to the evaluation layer.
#pragma once

#include <simdjson.h>

#include <string_view>

#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/iou_type.h"
#include "fastermask/evaluation/json_values.h"
#include "fastermask/evaluation/results.h"

namespace fastermask {

// Each thread has its own: it keeps buffers.
class RecordParser {
 public:
  RecordParser(const CocoGroundTruth& truth, IouType type) : truth_(truth), type_(type) {}

  // Throws ValueProblem for a record that is JSON but not right, BrokenJson otherwise.
  void parse(simdjson::ondemand::object object, DetectionRecord& record);

 private:
  void take_mask(bool needed, const GroundTruthImage& image, DetectionRecord& record);
  void take_keypoints(bool needed, DetectionRecord& record);
  void place(std::int64_t image_id, std::int64_t category_id, DetectionRecord& record);

  const CocoGroundTruth& truth_;
  IouType type_;
  evaluation_json::SegmentationFields segmentation_;
  std::vector<double> keypoints_;
  std::int64_t last_image_id_ = 0;
  int last_image_ = -1;
};

}  // namespace fastermask
