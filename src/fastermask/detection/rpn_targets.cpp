#include "fastermask/detection/rpn_targets.h"

#include <algorithm>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

void ignore_anchors_outside(Span<const Box> anchors, const ImageSize& size, double boundary_thresh,
                            std::vector<std::int8_t>& labels) {
  const float margin = static_cast<float>(boundary_thresh);
  const float right = static_cast<float>(size.width + boundary_thresh);
  const float bottom = static_cast<float>(size.height + boundary_thresh);
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    const Box& a = anchors[i];
    if (!(a.x1 >= -margin && a.y1 >= -margin && a.x2 < right && a.y2 < bottom)) labels[i] = -1;
  }
}

}  // namespace

Matches label_anchors(Span<const Box> anchors, const ImageSize& image_size, Span<const Box> gt_boxes,
                      const RpnTargetParams& params) {
  const Matcher matcher(params.iou_thresholds, params.iou_labels, {true, params.compatibility});
  Matches matches = matcher.match(gt_boxes, anchors);
  if (params.boundary_thresh >= 0) {
    ignore_anchors_outside(anchors, image_size, params.boundary_thresh, matches.labels);
  }
  return matches;
}

RpnTargets sample_anchors(const Matches& matches, Span<const Box> anchors, Span<const Box> gt_boxes,
                          const RpnTargetParams& params, Random& random) {
  FASTERMASK_CHECK(matches.labels.size() == anchors.size() && matches.gt_index.size() == anchors.size(),
                   "rpn_targets: matches of {} anchors do not fit {} anchors", matches.labels.size(), anchors.size());
  SampledLabels sampled = sample_labels(matches.labels, params.batch_size_per_image, params.positive_fraction, 0,
                                        random, params.strategy);
  std::sort(sampled.positives.begin(), sampled.positives.end());
  std::sort(sampled.negatives.begin(), sampled.negatives.end());

  RpnTargets targets;
  targets.num_positives = static_cast<int>(sampled.positives.size());
  targets.labels.assign(sampled.positives.size() + sampled.negatives.size(), 0.0f);
  std::fill_n(targets.labels.begin(), sampled.positives.size(), 1.0f);
  for (const int anchor : sampled.positives) {
    const std::size_t index = static_cast<std::size_t>(anchor);
    const int gt = matches.gt_index[index];
    FASTERMASK_CHECK(gt >= 0 && static_cast<std::size_t>(gt) < gt_boxes.size(),
                     "rpn_targets: anchor {} is matched to ground truth {}, but there are {}", anchor, gt,
                     gt_boxes.size());
    targets.gt_index.push_back(gt);
    targets.anchor_boxes.push_back(anchors[index]);
    targets.gt_boxes.push_back(gt_boxes[static_cast<std::size_t>(gt)]);
  }
  targets.target_deltas = encode_boxes(params.coder, targets.anchor_boxes, targets.gt_boxes);
  targets.anchors = std::move(sampled.positives);
  targets.anchors.insert(targets.anchors.end(), sampled.negatives.begin(), sampled.negatives.end());
  return targets;
}

RpnTargets label_and_sample_anchors(Span<const Box> anchors, const ImageSize& image_size, Span<const Box> gt_boxes,
                                    const RpnTargetParams& params, Random& random) {
  return sample_anchors(label_anchors(anchors, image_size, gt_boxes, params), anchors, gt_boxes, params, random);
}

}  // namespace fastermask
