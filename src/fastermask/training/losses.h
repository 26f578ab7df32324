// The losses of the R-CNN family on LibTorch tensors, with detectron2's normalisation.
//   S samples   P positives   K classes   M mask size
#pragma once

#include <string>
#include <vector>

#include "fastermask/detection/box_coding.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// How box deltas are compared: MODEL.*.BBOX_REG_LOSS_TYPE and SMOOTH_L1_BETA.
struct BoxLossSpec {
  std::string type = "smooth_l1";  // smooth_l1, giou, diou, ciou
  double beta = 0;                 // of smooth L1; below 1e-5 it is plain L1
  BoxCoder coder{};
};

// Sum over [P] of the loss between predicted and true boxes, not yet normalised; 0 for P = 0 (with a gradient of 0).
//   pred_deltas    [P, 4], differentiable
//   source_boxes   [P] anchors or proposals
//   gt_boxes       [P]
// detectron2 modeling/box_regression.py _dense_box_regression_loss; GIoU arXiv:1902.09630, DIoU and CIoU
// arXiv:1911.08287.
at::Tensor box_regression_loss(const BoxLossSpec& spec, const at::Tensor& pred_deltas,
                               const std::vector<Box>& source_boxes, const std::vector<Box>& gt_boxes);

// [P] deltas and boxes -> [P, 4] decoded boxes, differentiable. detectron2 Box2BoxTransform.apply_deltas.
at::Tensor decode_deltas(const BoxCoder& coder, const at::Tensor& deltas, const at::Tensor& boxes);

// Sum of sigmoid cross entropy of [S] logits against [S] targets of 0 and 1.
at::Tensor sigmoid_cross_entropy_sum(const at::Tensor& logits, const at::Tensor& targets);

// Mean softmax cross entropy of [S, K + 1] logits against [S] classes; 0 (with a gradient of 0) for S = 0.
at::Tensor softmax_cross_entropy_mean(const at::Tensor& logits, const std::vector<std::int64_t>& classes);

// Of [P, K, ...] values those of each row's own class: [P, ...].
at::Tensor values_of_class(const at::Tensor& values, const std::vector<std::int64_t>& classes);

// Mean sigmoid cross entropy of the ground-truth class's mask. Mask R-CNN section 3.
//   logits    [P, K, M, M], or [P, 1, M, M] when class-agnostic
//   classes   [P]
//   targets   [P * M * M] of 0 and 1
//   selected  if given, receives the logits of the classes, [P, M, M]
at::Tensor mask_loss(const at::Tensor& logits, const std::vector<std::int64_t>& classes,
                     const std::vector<std::uint8_t>& targets, at::Tensor* selected = nullptr);

}  // namespace fastermask
