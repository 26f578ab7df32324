// Training's side figures: how often the heads were right. detectron2 fast_rcnn.py _log_classification_stats and
// mask_head.py mask_rcnn_loss.
//   S proposals   K classes
#pragma once

#include <cstdint>

#include "fastermask/base/span.h"

namespace fastermask {

// fast_rcnn/cls_accuracy, fast_rcnn/fg_cls_accuracy, fast_rcnn/false_negative.
struct ClassificationMetrics {
  double cls_accuracy = 0;       // of all proposals
  double fg_cls_accuracy = 0;    // of the foreground ones
  double false_negative = 0;     // share of the foreground predicted as background
  int num_instances = 0;         // S; 0: nothing to report
  int num_foreground = 0;        // 0: the two foreground figures mean nothing and are not logged
};

//   class_logits  [S, K + 1] (scores do as well)
//   gt_classes    [S], background K
// Throws Error when sizes do not agree.
ClassificationMetrics classification_metrics(Span<const float> class_logits, Span<const int> gt_classes,
                                             int num_classes);

// mask_rcnn/accuracy, mask_rcnn/false_positive, mask_rcnn/false_negative; of a mask 1 means logit > 0.
struct MaskMetrics {
  double accuracy = 0;
  double false_positive = 0;  // share of the target's 0 pixels predicted 1
  double false_negative = 0;  // share of the target's 1 pixels predicted 0
};

//   logits   [any] of the ground-truth class's channel
//   targets  [same], 0 or 1
// Throws Error when the lengths differ.
MaskMetrics mask_metrics(Span<const float> logits, Span<const std::uint8_t> targets);

}  // namespace fastermask
