// How many objects a proposal network finds, whatever class they are of: average recall over IoU thresholds, as
// detectron2's box proposal evaluation has it (evaluation/coco_evaluation.py, after Detectron's
// json_dataset_evaluator).
//   P proposals of an image   G ground truths
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/evaluation/summary.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// Keeps one number for each ground truth, limit and size, so that memory does not grow with proposals.
class ProposalRecall {
 public:
  // At most so many best-scored proposals of an image count; one set of metrics for each limit.
  explicit ProposalRecall(std::shared_ptr<const CocoGroundTruth> truth, std::vector<int> limits = {100, 1000});

  // Proposals of one image, best score first, in pixels of the original image: [P]. An image without proposals is left
  // out of the count, as detectron2 does. Throws DataError for an unknown image id or one added twice.
  void add(std::int64_t image_id, Span<const Box> proposals);

  // Task "box_proposals" with AR@100, ARs@100, ARm@100, ARl@100, AR@1000, ...: recall at IoU 0.50:0.05:0.95, averaged,
  // times 100, over objects of all sizes, small (< 32^2), medium (< 96^2) and large; crowds don't count. NaN where
  // there is no such object.
  TaskMetrics metrics() const;

 private:
  // Of one limit and range of sizes.
  struct Group {
    int limit = 0;
    const char* suffix = "";
    float low = 0;
    float high = 0;
    std::vector<float> overlaps;  // of each ground truth with the proposal it is paired with, 0 without one
  };

  void add_group(Group& group, Span<const Box> proposals, const std::vector<const GroundTruthAnnotation*>& truths);

  std::shared_ptr<const CocoGroundTruth> truth_;
  std::vector<Group> groups_;
  std::vector<std::uint8_t> added_;  // [images]
};

}  // namespace fastermask
