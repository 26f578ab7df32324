// What the RPN should have said: which anchors count in its losses, and their targets. detectron2 rpn.py
// label_and_sample_anchors.
//   R anchors of all levels   G ground-truth boxes   S sampled anchors   P positives among them
#pragma once

#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/base/span.h"
#include "fastermask/detection/box_coding.h"
#include "fastermask/detection/matcher.h"
#include "fastermask/detection/sampler.h"
#include "fastermask/structures/box.h"

namespace fastermask {

struct RpnTargetParams {
  std::vector<double> iou_thresholds{0.3, 0.7};
  std::vector<int> iou_labels{0, -1, 1};
  bool compatibility = false;        // see Matcher::Options
  int batch_size_per_image = 256;    // anchors sampled
  double positive_fraction = 0.5;    // at most this share of them positive
  double boundary_thresh = -1;       // >= 0: anchors further than this outside the image are ignored
  BoxCoder coder{};                  // 1, 1, 1, 1
  SamplingStrategy strategy = SamplingStrategy::random;
};

// Targets of one image.
struct RpnTargets {
  std::vector<int> anchors;          // [S] sampled anchors: positives in rising order, then negatives in rising order
  std::vector<float> labels;         // [S] 1 or 0
  int num_positives = 0;             // P: anchors[0 .. P) are the positives
  std::vector<int> gt_index;         // [P] ground truth of each positive
  Boxes anchor_boxes;                // [P] the positive anchors
  Boxes gt_boxes;                    // [P] their ground truth
  std::vector<Delta> target_deltas;  // [P] from anchor to ground truth

  int num_negatives() const { return static_cast<int>(anchors.size()) - num_positives; }
};

// The part that depends on the annotation alone, and may be done ahead in a loader's thread.
Matches label_anchors(Span<const Box> anchors, const ImageSize& image_size, Span<const Box> gt_boxes,
                      const RpnTargetParams& params);

// Draws the anchors that count from what label_anchors() returned, and encodes the positives' targets.
RpnTargets sample_anchors(const Matches& matches, Span<const Box> anchors, Span<const Box> gt_boxes,
                          const RpnTargetParams& params, Random& random);

// Both. Objectness loss: BCE-with-logits over `anchors` against `labels`; box loss: over the P positives; both summed
// and divided by batch_size_per_image * number of images. Throws ConfigError for bad thresholds (see Matcher).
RpnTargets label_and_sample_anchors(Span<const Box> anchors, const ImageSize& image_size, Span<const Box> gt_boxes,
                                    const RpnTargetParams& params, Random& random);

}  // namespace fastermask
