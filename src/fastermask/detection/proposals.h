// From the RPN's dense output to a few proposals an image. detectron2 proposal_utils.py find_top_rpn_proposals.
//   N images   L levels   (H, W) a level's grid   A anchors a cell   R = sum of H W A anchors over all levels
#pragma once

#include <cstddef>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/detection/box_coding.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// The RPN head's output on one level, channels last.
struct RpnLevel {
  const float* logits = nullptr;  // [N, H, W, A] objectness before the sigmoid
  const float* deltas = nullptr;  // [N, H, W, A * 4] (dx, dy, dw, dh) of each anchor
  int num_images = 0;
  int height = 0;
  int width = 0;
  int num_anchors = 0;
};

struct ProposalParams {
  double nms_thresh = 0.7;   // IoU above which the lower-scored of two proposals of a level is dropped
  int pre_nms_topk = 1000;   // candidates a level, before NMS
  int post_nms_topk = 1000;  // proposals an image, after NMS over all levels
  double min_box_size = 0;   // proposals must be wider and higher than this, in input pixels
  bool training = false;     // non-finite predictions: an error in training, dropped otherwise
  BoxCoder coder{};          // 1, 1, 1, 1
};

// Proposals of one image, by falling logit.
struct Proposals {
  Boxes boxes;                // [P] clipped to the image
  std::vector<float> logits;  // [P]

  std::size_t size() const { return boxes.size(); }
};

// The best proposals of each image: per level the pre_nms_topk largest logits (equal ones in index order), decoded,
// clipped, small ones dropped, NMS per level, the post_nms_topk best of all levels together.
//
//   anchors      [R] AnchorGenerator::grid_anchors().boxes
//   image_sizes  [N] without padding
//   returns      [N]
//
// Throws DivergedError "Predicted boxes or scores contain Inf/NaN. Training has diverged." in training, and Error when
// sizes do not agree. Multi-threaded, deterministic.
std::vector<Proposals> find_top_rpn_proposals(Span<const RpnLevel> levels, Span<const Box> anchors,
                                              Span<const ImageSize> image_sizes, const ProposalParams& params);

}  // namespace fastermask
