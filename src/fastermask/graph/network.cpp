#include "fastermask/graph/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/graph/backbone.h"
#include "fastermask/graph/heads.h"

namespace fastermask {
namespace {

// The levels that `names` asks for, in that order.
std::vector<FeatureLevel2d> select_levels(const std::vector<FeatureLevel2d>& levels,
                                          const std::vector<std::string>& names, const char* key) {
  std::vector<FeatureLevel2d> selected;
  std::vector<std::string> known;
  for (const FeatureLevel2d& level : levels) known.push_back(level.name);
  for (const std::string& name : names) {
    const auto it = std::find(known.begin(), known.end(), name);
    if (it == known.end()) {
      fail<ConfigError>("config: {}: the backbone has no feature '{}', only {}{}", key, name, join(known, ", "),
                        did_you_mean(name, known));
    }
    selected.push_back(levels[static_cast<std::size_t>(it - known.begin())]);
  }
  if (selected.empty()) fail<ConfigError>("config: {} must name at least one feature ({})", key, join(known, ", "));
  return selected;
}

std::vector<LevelSpec> to_specs(const GraphBuilder& builder, const std::vector<FeatureLevel2d>& levels) {
  std::vector<LevelSpec> specs;
  for (const FeatureLevel2d& level : levels) specs.push_back({level.name, level.stride, builder.channels(level.value)});
  return specs;
}

template <class HeadConfig>
PoolerSpec pooler_of(const HeadConfig& head, const char* key) {
  PoolerSpec pooler;
  pooler.resolution = head.pooler_resolution;
  pooler.sampling_ratio = head.pooler_sampling_ratio;
  pooler.aligned = head.pooler_type == "ROIAlignV2";
  pooler.max_pooling = head.pooler_type == "ROIPool";
  if (!pooler.aligned && !pooler.max_pooling && head.pooler_type != "ROIAlign") {
    fail<ConfigError>("config: {}.POOLER_TYPE: not supported: '{}'; known are ROIAlignV2, ROIAlign, ROIPool", key,
                      head.pooler_type);
  }
  return pooler;
}

// Anchors a cell: the same on every level (one RPN head serves all).
int count_anchors(const Config& config) {
  const auto& generator = config.model.anchor_generator;
  if (generator.sizes.empty() || generator.aspect_ratios.empty()) {
    fail<ConfigError>("config: MODEL.ANCHOR_GENERATOR.SIZES and ASPECT_RATIOS must not be empty");
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < std::max(generator.sizes.size(), generator.aspect_ratios.size()); ++i) {
    const auto& sizes = generator.sizes[generator.sizes.size() == 1 ? 0 : std::min(i, generator.sizes.size() - 1)];
    const auto& ratios =
        generator
            .aspect_ratios[generator.aspect_ratios.size() == 1 ? 0 : std::min(i, generator.aspect_ratios.size() - 1)];
    if (i > 0 && sizes.size() * ratios.size() != count) {
      fail<ConfigError>("config: MODEL.ANCHOR_GENERATOR must give every level equally many anchors, got {} and {}",
                        count, sizes.size() * ratios.size());
    }
    count = sizes.size() * ratios.size();
  }
  return static_cast<int>(count);
}

// The C4 network's res5, run on regions of res4. detectron2 roi_heads.py Res5ROIHeads._build_res5_block.
Graph build_roi_stage(const Config& config, int in_channels) {
  const std::vector<bool>& deformable = config.model.resnets.deform_on_per_stage;
  if (deformable.size() > 3 && deformable[3]) {
    fail<ConfigError>(
        "config: MODEL.RESNETS.DEFORM_ON_PER_STAGE: res5 of Res5ROIHeads cannot be deformable: its last entry "
        "must be false");
  }
  GraphBuilder builder("roi_stage", in_channels);
  StageSpec spec;
  spec.stage = 5;
  spec.num_blocks = 3;
  spec.first_stride = 2;
  builder.output("res5", build_resnet_stage(builder, builder.input(), "roi_heads.res5.", config.model, spec));
  return std::move(builder).build();
}

// Refuses what the builders would leave out in silence.
void check_network_supported(const ModelConfig& model) {
  const std::string& proposals = model.proposal_generator.name;
  if (proposals != "RPN" && proposals != "PrecomputedProposals") {
    fail<ConfigError>("config: MODEL.PROPOSAL_GENERATOR.NAME: not supported: '{}'; known are RPN, PrecomputedProposals",
                      proposals);
  }
  if (proposals == "RPN") return;
  if (!model.load_proposals) {
    fail<ConfigError>("config: MODEL.PROPOSAL_GENERATOR.NAME PrecomputedProposals needs MODEL.LOAD_PROPOSALS True");
  }
  if (model.meta_architecture != "GeneralizedRCNN") {
    fail<ConfigError>("config: MODEL.META_ARCHITECTURE {} makes proposals: MODEL.PROPOSAL_GENERATOR.NAME must be RPN",
                      model.meta_architecture);
  }
}

void add_standard_heads(Network& network, const Config& config) {
  const auto& model = config.model;
  const int channels = network.roi_levels.front().channels;
  if (model.roi_heads.name == "CascadeROIHeads") {
    if (!model.roi_box_head.cls_agnostic_bbox_reg) {
      fail<ConfigError>("config: CascadeROIHeads needs MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG True");
    }
    for (int stage = 0; stage < static_cast<int>(model.roi_box_cascade_head.ious.size()); ++stage) {
      network.box_heads.push_back(build_box_head(config, channels, stage));
    }
  } else {
    network.box_heads.push_back(build_box_head(config, channels, -1));
  }
  if (model.mask_on) {
    network.mask_pooler = pooler_of(model.roi_mask_head, "MODEL.ROI_MASK_HEAD");
    network.mask_head = build_mask_head(config, channels);
  }
  if (model.keypoint_on) {
    network.keypoint_pooler = pooler_of(model.roi_keypoint_head, "MODEL.ROI_KEYPOINT_HEAD");
    network.keypoint_head = build_keypoint_head(config, channels);
  }
}

void add_res5_heads(Network& network, const Config& config) {
  const auto& model = config.model;
  if (network.roi_levels.size() != 1)
    fail<ConfigError>("config: Res5ROIHeads takes one feature in MODEL.ROI_HEADS.IN_FEATURES");
  if (model.keypoint_on) fail<ConfigError>("config: Res5ROIHeads has no keypoint head: set MODEL.KEYPOINT_ON False");
  network.roi_stage = build_roi_stage(config, network.roi_levels.front().channels);
  const int channels = model.resnets.res2_out_channels * 8;
  network.box_heads.push_back(build_c4_box_head(config, channels));
  if (model.mask_on) {
    network.mask_pooler = network.box_pooler;  // the mask head reads the regions pooled for the box head
    network.mask_head = build_mask_head(config, channels);
  }
}

}  // namespace

std::vector<const Graph*> Network::graphs() const {
  std::vector<const Graph*> all = {&dense};
  if (roi_stage) all.push_back(&*roi_stage);
  for (const Graph& head : box_heads) all.push_back(&head);
  if (mask_head) all.push_back(&*mask_head);
  if (keypoint_head) all.push_back(&*keypoint_head);
  return all;
}

std::vector<Parameter> Network::parameters() const {
  std::vector<Parameter> all;
  for (const Graph* graph : graphs()) all.insert(all.end(), graph->parameters.begin(), graph->parameters.end());
  return all;
}

Network build_network(const Config& config) {
  const auto& model = config.model;
  check_network_supported(model);
  Network network;
  GraphBuilder builder("dense", 3);
  const std::vector<FeatureLevel2d> levels = build_backbone(builder, config);
  network.num_anchors = count_anchors(config);
  network.size_divisibility = size_divisibility(config);
  const bool has_heads = model.meta_architecture == "GeneralizedRCNN";
  if (has_heads) {
    const auto selected = select_levels(levels, model.roi_heads.in_features, "MODEL.ROI_HEADS.IN_FEATURES");
    network.roi_levels = to_specs(builder, selected);
  }
  for (const FeatureLevel2d& level : levels) builder.output(level.name, level.value);
  if (model.proposal_generator.name == "RPN") {
    const auto rpn_levels = select_levels(levels, model.rpn.in_features, "MODEL.RPN.IN_FEATURES");
    network.rpn_levels = to_specs(builder, rpn_levels);
    build_rpn_head(builder, rpn_levels, network.num_anchors, config);
  }
  network.dense = std::move(builder).build();
  if (!has_heads) return network;
  network.box_pooler = pooler_of(model.roi_box_head, "MODEL.ROI_BOX_HEAD");
  if (model.roi_heads.name == "Res5ROIHeads") {
    add_res5_heads(network, config);
  } else if (model.roi_heads.name == "StandardROIHeads" || model.roi_heads.name == "CascadeROIHeads") {
    add_standard_heads(network, config);
  } else {
    fail<ConfigError>(
        "config: MODEL.ROI_HEADS.NAME: not supported: '{}'; known are StandardROIHeads, Res5ROIHeads, CascadeROIHeads",
        model.roi_heads.name);
  }
  return network;
}

}  // namespace fastermask
