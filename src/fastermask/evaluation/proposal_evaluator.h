// Evaluates a proposal network on a COCO data set: its proposals in a file, and their recall. detectron2
// evaluation/coco_evaluation.py COCOEvaluator._eval_box_proposals.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/detection/proposals.h"
#include "fastermask/evaluation/proposal_recall.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

class ProposalEvaluator {
 public:
  // Throws DataError for a broken annotation file. `output_folder`: where box_proposals.pkl goes; "": not written.
  ProposalEvaluator(const std::string& annotation_file, std::string output_folder);

  // The proposals of one image, in pixels of the original image, the objectness logits as scores, best first. Throws
  // DataError for an unknown image id or one added twice.
  void add(std::int64_t image_id, const Detections& proposals);

  // Writes the file, logs the table and returns the recalls: task "box_proposals" (see ProposalRecall::metrics). A
  // ground truth file without annotations gives no metrics, only the file.
  std::vector<TaskMetrics> finish();

 private:
  std::shared_ptr<const CocoGroundTruth> truth_;
  ProposalRecall recall_;
  std::string output_folder_;
  std::vector<std::int64_t> images_;
  std::vector<Proposals> proposals_;
};

}  // namespace fastermask
