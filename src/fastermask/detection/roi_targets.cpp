#include "fastermask/detection/roi_targets.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/detection/matcher.h"

namespace fastermask {
namespace {

void check_ground_truth(Span<const Box> gt_boxes, Span<const int> gt_classes, int num_classes) {
  FASTERMASK_CHECK(gt_boxes.size() == gt_classes.size(),
                   "roi_targets: there must be one class a ground-truth box, got {} classes and {} boxes",
                   gt_classes.size(), gt_boxes.size());
  for (const int label : gt_classes) {
    FASTERMASK_CHECK(label >= 0 && label < num_classes, "roi_targets: classes must be in [0, {}), got {}", num_classes,
                     label);
  }
}

}  // namespace

RoiTargets label_proposals(Span<const Box> proposals, Span<const Box> gt_boxes, Span<const int> gt_classes,
                           const RoiTargetParams& params) {
  check_ground_truth(gt_boxes, gt_classes, params.num_classes);
  const Matches matches = Matcher(params.iou_thresholds, params.iou_labels).match(gt_boxes, proposals);
  RoiTargets targets;
  targets.boxes.assign(proposals.begin(), proposals.end());
  targets.classes.assign(proposals.size(), params.num_classes);
  targets.gt_index.assign(proposals.size(), -1);
  if (gt_boxes.empty()) return targets;
  for (std::size_t i = 0; i < proposals.size(); ++i) {
    if (matches.labels[i] == 1) {
      targets.gt_index[i] = matches.gt_index[i];
      targets.classes[i] = gt_classes[static_cast<std::size_t>(matches.gt_index[i])];
      ++targets.num_foreground;
    } else if (matches.labels[i] == -1) {
      targets.classes[i] = -1;
    }
  }
  return targets;
}

RoiTargets label_and_sample_proposals(Span<const Box> proposals, Span<const Box> gt_boxes, Span<const int> gt_classes,
                                      const RoiTargetParams& params, Random& random) {
  Boxes candidates(proposals.begin(), proposals.end());
  if (params.append_gt) candidates.insert(candidates.end(), gt_boxes.begin(), gt_boxes.end());
  const RoiTargets labelled = label_proposals(candidates, gt_boxes, gt_classes, params);
  const SampledLabels sampled = sample_labels(labelled.classes, params.batch_size_per_image, params.positive_fraction,
                                              params.num_classes, random, params.strategy);
  RoiTargets targets;
  targets.num_foreground = static_cast<int>(sampled.positives.size());
  for (const std::vector<int>* indices : {&sampled.positives, &sampled.negatives}) {
    for (const int i : *indices) {
      const std::size_t index = static_cast<std::size_t>(i);
      targets.boxes.push_back(labelled.boxes[index]);
      targets.classes.push_back(labelled.classes[index]);
      targets.gt_index.push_back(labelled.gt_index[index]);
    }
  }
  return targets;
}

Boxes next_stage_boxes(const BoxCoder& coder, Span<const float> deltas, Span<const Box> boxes,
                       const ImageSize& image_size, bool training) {
  FASTERMASK_CHECK(deltas.size() == boxes.size() * 4,
                   "next_stage_boxes: deltas must be [{}, 4], got {} values; a cascade needs class-agnostic boxes",
                   boxes.size(), deltas.size());
  Boxes next;
  next.reserve(boxes.size());
  for (const Box& decoded : decode_boxes(coder, deltas, boxes)) {
    if (training && !decoded.finite()) {
      fail<DivergedError>("next_stage_boxes: a predicted box contains Inf/NaN. Training has diverged.");
    }
    const Box box = clip(decoded, image_size);
    if (training && !(box.width() > 0 && box.height() > 0)) continue;
    next.push_back(box);
  }
  return next;
}

std::vector<int> select_with_visible_keypoints(const RoiTargets& targets,
                                               const std::vector<std::vector<Keypoint>>& gt_keypoints) {
  std::vector<int> selected;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const int gt = targets.gt_index[i];
    if (gt < 0) continue;
    FASTERMASK_CHECK(static_cast<std::size_t>(gt) < gt_keypoints.size(),
                     "roi_targets: ground truth {} has no keypoints; there are {}", gt, gt_keypoints.size());
    const Box& box = targets.boxes[i];
    const std::vector<Keypoint>& keypoints = gt_keypoints[static_cast<std::size_t>(gt)];
    const bool holds_one = std::any_of(keypoints.begin(), keypoints.end(), [&box](const Keypoint& k) {
      return k.visibility >= 1 && k.x >= box.x1 && k.x <= box.x2 && k.y >= box.y1 && k.y <= box.y2;
    });
    if (holds_one) selected.push_back(static_cast<int>(i));
  }
  return selected;
}

namespace {

// The cell of a coordinate between `low` and `high`, or -1 when outside.
int heatmap_cell(float coordinate, float low, float high, float scale, int heatmap_size) {
  if (coordinate == high) return heatmap_size - 1;
  const float cell = std::floor((coordinate - low) * scale);
  return cell >= 0 && cell < static_cast<float>(heatmap_size) ? static_cast<int>(cell) : -1;
}

}  // namespace

std::vector<KeypointTarget> keypoint_targets(Span<const Keypoint> keypoints, const Box& box, int heatmap_size) {
  FASTERMASK_CHECK(heatmap_size >= 1, "keypoint_targets: heatmap_size must be at least 1, got {}", heatmap_size);
  const float scale_x = static_cast<float>(heatmap_size) / box.width();
  const float scale_y = static_cast<float>(heatmap_size) / box.height();
  std::vector<KeypointTarget> targets(keypoints.size());
  for (std::size_t i = 0; i < keypoints.size(); ++i) {
    const int x = heatmap_cell(keypoints[i].x, box.x1, box.x2, scale_x, heatmap_size);
    const int y = heatmap_cell(keypoints[i].y, box.y1, box.y2, scale_y, heatmap_size);
    if (keypoints[i].visibility > 0 && x >= 0 && y >= 0) targets[i] = {y * heatmap_size + x, true};
  }
  return targets;
}

}  // namespace fastermask
