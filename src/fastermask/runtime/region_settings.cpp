#include "fastermask/runtime/region_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

int log2_of_stride(int stride) {
  int log2 = 0;
  while ((1 << log2) < stride) ++log2;
  return log2;
}

}  // namespace

AnchorGenerator make_anchor_generator(const Config& config, const Network& network) {
  std::vector<int> strides;
  for (const LevelSpec& level : network.rpn_levels) strides.push_back(level.stride);
  const auto& settings = config.model.anchor_generator;
  return AnchorGenerator(settings.sizes, settings.aspect_ratios, strides, settings.offset);
}

ProposalParams make_proposal_params(const Config& config, bool training) {
  const auto& rpn = config.model.rpn;
  ProposalParams params;
  params.nms_thresh = rpn.nms_thresh;
  params.pre_nms_topk = training ? rpn.pre_nms_topk_train : rpn.pre_nms_topk_test;
  params.post_nms_topk = training ? rpn.post_nms_topk_train : rpn.post_nms_topk_test;
  params.min_box_size = config.model.proposal_generator.min_size;
  params.training = training;
  params.coder = make_box_coder(rpn.bbox_reg_weights, "MODEL.RPN.BBOX_REG_WEIGHTS");
  return params;
}

RpnTargetParams make_rpn_target_params(const Config& config, SamplingStrategy strategy) {
  const auto& rpn = config.model.rpn;
  RpnTargetParams params;
  params.iou_thresholds = rpn.iou_thresholds;
  params.iou_labels = rpn.iou_labels;
  params.batch_size_per_image = rpn.batch_size_per_image;
  params.positive_fraction = rpn.positive_fraction;
  params.boundary_thresh = rpn.boundary_thresh;
  params.coder = make_box_coder(rpn.bbox_reg_weights, "MODEL.RPN.BBOX_REG_WEIGHTS");
  params.strategy = strategy;
  return params;
}

RoiTargetParams make_roi_target_params(const Config& config, SamplingStrategy strategy) {
  const auto& heads = config.model.roi_heads;
  RoiTargetParams params;
  params.iou_thresholds = heads.iou_thresholds;
  params.iou_labels = heads.iou_labels;
  params.batch_size_per_image = heads.batch_size_per_image;
  params.positive_fraction = heads.positive_fraction;
  params.num_classes = heads.num_classes;
  params.append_gt = heads.proposal_append_gt;
  params.strategy = strategy;
  return params;
}

DetectionParams make_detection_params(const Config& config) {
  DetectionParams params;
  params.score_thresh = config.model.roi_heads.score_thresh_test;
  params.nms_thresh = config.model.roi_heads.nms_thresh_test;
  params.topk = config.test.detections_per_image;
  return params;
}

BoxCoder make_box_coder(const std::vector<double>& weights, const char* key) {
  if (weights.size() != 4) fail<ConfigError>("config: {} must have 4 numbers, got {}", key, weights.size());
  const auto weight = [&weights](std::size_t i) { return static_cast<float>(weights[i]); };
  return {weight(0), weight(1), weight(2), weight(3)};
}

BoxCoder box_head_coder(const Config& config, int stage) {
  if (config.model.roi_heads.name != "CascadeROIHeads") {
    return make_box_coder(config.model.roi_box_head.bbox_reg_weights, "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS");
  }
  const auto& weights = config.model.roi_box_cascade_head.bbox_reg_weights;
  if (static_cast<std::size_t>(stage) >= weights.size()) {
    fail<ConfigError>("config: MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS must have an entry for each of the IOUS");
  }
  return make_box_coder(weights[static_cast<std::size_t>(stage)], "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS");
}

void keep_scores_of_at_least(Config& config, double threshold) {
  // The detection logic keeps what is greater than its threshold, in float32.
  const float below = std::nextafter(static_cast<float>(threshold), 0.0f);
  double& lowest = config.model.roi_heads.score_thresh_test;
  lowest = std::max(lowest, static_cast<double>(below));
}

void append_rois(const Network& network, int image, Span<const Box> boxes, std::vector<Roi>& rois) {
  RoiLevelParams params;
  params.min_level = log2_of_stride(network.roi_levels.front().stride);
  params.max_level = log2_of_stride(network.roi_levels.back().stride);
  const bool one_level = network.roi_levels.size() == 1;
  const std::vector<int> levels = one_level ? std::vector<int>(boxes.size(), 0) : assign_boxes_to_levels(boxes, params);
  for (std::size_t i = 0; i < boxes.size(); ++i) rois.push_back({image, levels[i], boxes[i]});
}

}  // namespace fastermask
