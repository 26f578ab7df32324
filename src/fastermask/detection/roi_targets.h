// What the heads should have said about each proposal. detectron2 roi_heads.py label_and_sample_proposals and
// select_proposals_with_visible_keypoints, cascade_rcnn.py, keypoints.py.
//   P proposals   G ground-truth instances   S sampled proposals   F foreground among them   K classes or keypoints
#pragma once

#include <cstddef>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/base/span.h"
#include "fastermask/detection/box_coding.h"
#include "fastermask/detection/sampler.h"
#include "fastermask/structures/box.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

struct RoiTargetParams {
  std::vector<double> iou_thresholds{0.5};
  std::vector<int> iou_labels{0, 1};
  int batch_size_per_image = 512;
  double positive_fraction = 0.25;
  int num_classes = 80;            // the background is class num_classes
  bool append_gt = true;           // ground-truth boxes join the proposals (at their end)
  SamplingStrategy strategy = SamplingStrategy::random;
};

// Labelled proposals of one image, foreground first when they were sampled.
struct RoiTargets {
  Boxes boxes;                // [S] proposals (or ground-truth boxes)
  std::vector<int> classes;   // [S] 0 .. num_classes - 1, background num_classes, ignored -1 (only when not sampled)
  std::vector<int> gt_index;  // [S] matched ground truth; -1 for background and ignored
  int num_foreground = 0;     // F; after sampling: the first F entries

  std::size_t size() const { return boxes.size(); }
};

// Matches proposals to the ground truth and samples a batch of them. Order: foreground, then background, each as drawn.
//
//   gt_boxes, gt_classes   [G]; G = 0 gives background only
//
// Throws Error unless their lengths agree and classes lie in [0, num_classes).
RoiTargets label_and_sample_proposals(Span<const Box> proposals, Span<const Box> gt_boxes, Span<const int> gt_classes,
                                      const RoiTargetParams& params, Random& random);

// The same without sampling and without appending the ground truth: all proposals, in their order. A cascade's later
// stages use it with their own IoU threshold.
RoiTargets label_proposals(Span<const Box> proposals, Span<const Box> gt_boxes, Span<const int> gt_classes,
                           const RoiTargetParams& params);

// The boxes a cascade's next stage starts from: the class-agnostic deltas applied, clipped to the image, and in
// training the empty ones dropped.
//   deltas [P, 4] float32   boxes [P]
Boxes next_stage_boxes(const BoxCoder& coder, Span<const float> deltas, Span<const Box> boxes,
                       const ImageSize& image_size, bool training);

// Indices of the foreground entries of `targets` whose box holds at least one visible keypoint (borders included): what
// the keypoint head trains on.
//   gt_keypoints [G][K]
std::vector<int> select_with_visible_keypoints(const RoiTargets& targets,
                                               const std::vector<std::vector<Keypoint>>& gt_keypoints);

struct KeypointTarget {
  int cell = 0;        // y * size + x in the heat map; 0 when not valid
  bool valid = false;  // labelled and inside the box
};

// The heat-map cell of each keypoint of one instance relative to `box`: floor((x - x1) * size / width), where a point
// exactly on the right or bottom border takes the last cell.
std::vector<KeypointTarget> keypoint_targets(Span<const Keypoint> keypoints, const Box& box, int heatmap_size);

}  // namespace fastermask
