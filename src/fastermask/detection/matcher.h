// Which ground truth each predicted box or anchor answers for. detectron2 matcher.py Matcher.
//   G ground-truth boxes   A boxes (anchors or proposals)
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

struct Matches {
  std::vector<int> gt_index;        // [A] ground truth with the largest IoU (lowest index among equals); 0 if G = 0
  std::vector<std::int8_t> labels;  // [A] one of the matcher's labels: 1 foreground, 0 background, -1 ignored
  std::vector<float> iou;           // [A] that largest IoU
};

// Labels a box by its largest IoU: labels[i] when it lies in [thresholds[i - 1], thresholds[i]), with -inf and +inf at
// the ends. Thresholds are rounded to float32, as comparing a float32 tensor with a Python number does.
class Matcher {
 public:
  struct Options {
    // Every anchor that ties the largest IoU of some ground truth becomes 1 as well (its gt_index stays its own
    // largest): for the RPN, so that no ground truth stays without an anchor.
    bool allow_low_quality = false;
    // Reproduces detectron2 where a ground truth overlaps no anchor at all: its largest IoU is 0, and every anchor with
    // IoU 0 becomes foreground. Off, such a ground truth is left out.
    bool compatibility = false;
  };

  //   thresholds  rising, positive
  //   labels      one more than the thresholds, each -1, 0 or 1
  // Throws ConfigError otherwise.
  Matcher(std::vector<double> thresholds, std::vector<int> labels);
  Matcher(std::vector<double> thresholds, std::vector<int> labels, const Options& options);

  // With no ground truth every label is labels[0]'s (background, as detectron2). Multi-threaded, deterministic.
  Matches match(Span<const Box> gt_boxes, Span<const Box> boxes) const;

 private:
  std::vector<float> thresholds_;
  std::vector<std::int8_t> labels_;
  Options options_;
};

}  // namespace fastermask
