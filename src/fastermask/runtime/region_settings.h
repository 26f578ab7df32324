// The detection logic's parameters, read from the config in one place; training and inference share them.
#pragma once

#include "fastermask/config/config.h"
#include "fastermask/detection/anchors.h"
#include "fastermask/detection/postprocess.h"
#include "fastermask/detection/proposals.h"
#include "fastermask/detection/roi_levels.h"
#include "fastermask/detection/roi_targets.h"
#include "fastermask/detection/rpn_targets.h"
#include "fastermask/graph/network.h"
#include "fastermask/kernels/roi_align.h"

namespace fastermask {

AnchorGenerator make_anchor_generator(const Config& config, const Network& network);
ProposalParams make_proposal_params(const Config& config, bool training);
RpnTargetParams make_rpn_target_params(const Config& config, SamplingStrategy strategy);
RoiTargetParams make_roi_target_params(const Config& config, SamplingStrategy strategy);
DetectionParams make_detection_params(const Config& config);

// The box coder of the box head, or of a cascade's stage. Throws ConfigError unless there are four weights.
BoxCoder make_box_coder(const std::vector<double>& weights, const char* key);
BoxCoder box_head_coder(const Config& config, int stage);

// Raises the config's score threshold to `threshold`, if it is lower: detections below need no masks or keypoints made,
// and they change nothing in those above (NMS goes by falling score).
void keep_scores_of_at_least(Config& config, double threshold);

// Regions of one image with the pyramid level each is pooled from, appended to `rois`.
void append_rois(const Network& network, int image, Span<const Box> boxes, std::vector<Roi>& rois);

}  // namespace fastermask
