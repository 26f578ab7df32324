// The best ground truth for each anchor, without storing the IoU matrix.
//   G ground-truth boxes   A anchors (hundreds of thousands)
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

struct BestOverlaps {
  std::vector<int> gt_index;         // [A] ground truth with the largest IoU; the lowest index among equals
  std::vector<float> iou;            // [A] that IoU
  std::vector<float> best_iou_of_gt;  // [G] the largest IoU of each ground truth over all anchors
};

// IoU (as iou() of structures/box.h, bit for bit) and arg-max fused. Multi-threaded over the anchors; the result does
// not depend on the number of threads. With no ground truth: gt_index and iou all 0.
BestOverlaps best_overlaps(Span<const Box> gt_boxes, Span<const Box> anchors);

// Marks every anchor whose IoU with some ground truth equals that ground truth's best: marks[anchor] = 1, others are
// left as they are.
//
//   overlaps         what best_overlaps() returned for the same boxes
//   skip_unmatched   leave out ground truths whose best IoU is 0 (else each marks every anchor it does not touch)
//   marks            [A]
void mark_best_anchors(Span<const Box> gt_boxes, Span<const Box> anchors, const BestOverlaps& overlaps,
                       bool skip_unmatched, Span<std::uint8_t> marks);

}  // namespace fastermask
