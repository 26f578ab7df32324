// Builders of the heads: RPN head (Faster R-CNN, arXiv:1506.01497), box head and predictor (Fast R-CNN,
// arXiv:1504.08083), mask head (Mask R-CNN, arXiv:1703.06870), keypoint head. Names as detectron2
// modeling/proposal_generator/rpn.py and modeling/roi_heads/*.py.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/graph/backbone.h"
#include "fastermask/graph/graph_builder.h"

namespace fastermask {

// Adds the RPN head to every level, sharing its weights, and declares the outputs "rpn.logits.<level>" [N, A, H, W] and
// "rpn.deltas.<level>" [N, 4 A, H, W] (anchor-major). A = num_anchors a cell.
void build_rpn_head(GraphBuilder& builder, const std::vector<FeatureLevel2d>& levels, int num_anchors,
                    const Config& config);

// Pooled regions [R, C, P, P] -> class logits "box.logits" [R, K + 1] and "box.deltas" [R, 4 K] (or [R, 4]). `stage` is
// the cascade stage, or -1 for the only box head.
Graph build_box_head(const Config& config, int in_channels, int stage);

// The box predictor of a C4 network: [R, C, P, P] -> spatial mean -> predictor.
Graph build_c4_box_head(const Config& config, int in_channels);

// Pooled regions -> "mask.logits" [R, K, 2 P, 2 P] (K = 1 when class-agnostic).
Graph build_mask_head(const Config& config, int in_channels);

// Pooled regions -> "keypoint.logits" [R, keypoints, 4 P, 4 P].
Graph build_keypoint_head(const Config& config, int in_channels);

}  // namespace fastermask
