#include "fastermask/graph/heads.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

void add_box_predictor(GraphBuilder& builder, const Config& config, int input, int features, const std::string& prefix,
                       bool class_agnostic) {
  const int classes = config.model.roi_heads.num_classes;
  const int box_outputs = 4 * (class_agnostic ? 1 : classes);
  builder.output("box.logits",
                 builder.linear(prefix + "cls_score", input, features, classes + 1, Initialiser::normal_0_01));
  builder.output("box.deltas",
                 builder.linear(prefix + "bbox_pred", input, features, box_outputs, Initialiser::normal_0_001));
}

void require_head_name(const std::string& got, const std::string& known, const char* key) {
  if (got != known) fail<ConfigError>("config: {}: not supported: '{}'; known is {}", key, got, known);
}

}  // namespace

void build_rpn_head(GraphBuilder& builder, const std::vector<FeatureLevel2d>& levels, int num_anchors,
                    const Config& config) {
  require_head_name(config.model.rpn.head_name, "StandardRPNHead", "MODEL.RPN.HEAD_NAME");
  const std::string prefix = "proposal_generator.rpn_head.";
  std::vector<int> dims = config.model.rpn.conv_dims;
  if (dims.empty()) fail<ConfigError>("config: MODEL.RPN.CONV_DIMS must have at least one entry");
  for (const FeatureLevel2d& level : levels) {
    int value = level.value;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      ConvolutionSpec spec;
      spec.out_channels = dims[i] == -1 ? builder.channels(value) : dims[i];
      spec.kernel = 3;
      spec.relu = true;
      spec.initialiser = Initialiser::normal_0_01;
      const std::string name = dims.size() == 1 ? prefix + "conv" : fmt::format("{}conv.conv{}", prefix, i);
      value = builder.convolution(name, value, spec);
    }
    ConvolutionSpec predictor;
    predictor.initialiser = Initialiser::normal_0_01;
    predictor.out_channels = num_anchors;
    builder.output("rpn.logits." + level.name, builder.convolution(prefix + "objectness_logits", value, predictor));
    predictor.out_channels = 4 * num_anchors;
    builder.output("rpn.deltas." + level.name, builder.convolution(prefix + "anchor_deltas", value, predictor));
  }
}

Graph build_box_head(const Config& config, int in_channels, int stage) {
  const auto& head = config.model.roi_box_head;
  require_head_name(head.name, "FastRCNNConvFCHead", "MODEL.ROI_BOX_HEAD.NAME");
  if (head.num_conv + head.num_fc < 1) {
    fail<ConfigError>("config: MODEL.ROI_BOX_HEAD needs NUM_CONV + NUM_FC of at least 1, got {} + {}", head.num_conv,
                      head.num_fc);
  }
  const std::string suffix = stage < 0 ? "" : fmt::format("{}.", stage);
  const std::string prefix = "roi_heads.box_head." + suffix;
  GraphBuilder builder(stage < 0 ? "box_head" : fmt::format("box_head.{}", stage), in_channels);
  int value = builder.input();
  ConvolutionSpec spec;
  spec.out_channels = head.conv_dim;
  spec.kernel = 3;
  spec.norm = parse_norm(head.norm, "MODEL.ROI_BOX_HEAD.NORM");
  spec.relu = true;
  for (int i = 0; i < head.num_conv; ++i)
    value = builder.convolution(fmt::format("{}conv{}", prefix, i + 1), value, spec);
  int features = builder.channels(value) * head.pooler_resolution * head.pooler_resolution;
  value = builder.flatten(value);
  for (int i = 0; i < head.num_fc; ++i) {
    value = builder.relu(builder.linear(fmt::format("{}fc{}", prefix, i + 1), value, features, head.fc_dim,
                                        Initialiser::kaiming_uniform_fan_in));
    features = head.fc_dim;
  }
  add_box_predictor(builder, config, value, features, "roi_heads.box_predictor." + suffix, head.cls_agnostic_bbox_reg);
  return std::move(builder).build();
}

Graph build_c4_box_head(const Config& config, int in_channels) {
  GraphBuilder builder("box_head", in_channels);
  add_box_predictor(builder, config, builder.spatial_mean(builder.input()), in_channels, "roi_heads.box_predictor.",
                    config.model.roi_box_head.cls_agnostic_bbox_reg);
  return std::move(builder).build();
}

Graph build_mask_head(const Config& config, int in_channels) {
  const auto& head = config.model.roi_mask_head;
  require_head_name(head.name, "MaskRCNNConvUpsampleHead", "MODEL.ROI_MASK_HEAD.NAME");
  const std::string prefix = "roi_heads.mask_head.";
  GraphBuilder builder("mask_head", in_channels);
  ConvolutionSpec spec;
  spec.out_channels = head.conv_dim;
  spec.kernel = 3;
  spec.norm = parse_norm(head.norm, "MODEL.ROI_MASK_HEAD.NORM");
  spec.relu = true;
  int value = builder.input();
  for (int i = 0; i < head.num_conv; ++i)
    value = builder.convolution(fmt::format("{}mask_fcn{}", prefix, i + 1), value, spec);
  value = builder.relu(
      builder.deconvolution(prefix + "deconv", value, head.conv_dim, 2, 2, 0, Initialiser::kaiming_normal_fan_out));
  ConvolutionSpec predictor;
  predictor.out_channels = head.cls_agnostic_mask ? 1 : config.model.roi_heads.num_classes;
  predictor.initialiser = Initialiser::normal_0_001;
  builder.output("mask.logits", builder.convolution(prefix + "predictor", value, predictor));
  return std::move(builder).build();
}

Graph build_keypoint_head(const Config& config, int in_channels) {
  const auto& head = config.model.roi_keypoint_head;
  require_head_name(head.name, "KRCNNConvDeconvUpsampleHead", "MODEL.ROI_KEYPOINT_HEAD.NAME");
  const std::string prefix = "roi_heads.keypoint_head.";
  GraphBuilder builder("keypoint_head", in_channels);
  int value = builder.input();
  for (std::size_t i = 0; i < head.conv_dims.size(); ++i) {
    ConvolutionSpec spec;
    spec.out_channels = head.conv_dims[i];
    spec.kernel = 3;
    spec.relu = true;
    value = builder.convolution(fmt::format("{}conv_fcn{}", prefix, i + 1), value, spec);
  }
  value = builder.deconvolution(prefix + "score_lowres", value, head.num_keypoints, 4, 2, 1,
                                Initialiser::kaiming_normal_fan_out);
  builder.output("keypoint.logits", builder.upsample_bilinear(value, 2));
  return std::move(builder).build();
}

}  // namespace fastermask
