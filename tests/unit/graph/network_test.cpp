// Networks of the shipped configs: levels, heads, frozen stages, sizes; and configs that contradict themselves.
#include "fastermask/graph/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "fastermask/config/load.h"
#include "fastermask/graph/backbone.h"
#include "fastermask/graph/summary.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kMaskFpn = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml";
constexpr const char* kFasterC4 = "COCO-Detection/faster_rcnn_R_50_C4_1x.yaml";

Shape shape_of(const Network& network, const std::string& name) {
  for (const Parameter& parameter : network.parameters()) {
    if (parameter.name == name) return parameter.shape;
  }
  return {};
}

std::vector<std::string> level_names(const std::vector<LevelSpec>& levels) {
  std::vector<std::string> names;
  for (const LevelSpec& level : levels) names.push_back(level.name + "/" + std::to_string(level.stride));
  return names;
}

TEST(Network, AMaskRcnnOnAPyramidHasItsLevelsHeadsAndShapes) {
  const Network network = build_network(load_config(kMaskFpn));
  EXPECT_THAT(level_names(network.rpn_levels), ElementsAre("p2/4", "p3/8", "p4/16", "p5/32", "p6/64"));
  EXPECT_THAT(level_names(network.roi_levels), ElementsAre("p2/4", "p3/8", "p4/16", "p5/32"));
  EXPECT_EQ(network.size_divisibility, 32);
  EXPECT_EQ(network.num_anchors, 3);
  EXPECT_FALSE(network.roi_stage.has_value());
  EXPECT_FALSE(network.keypoint_head.has_value());
  EXPECT_EQ(network.graphs().size(), 3u);
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res5.2.conv3.weight"), (Shape{2048, 512, 1, 1}));
  EXPECT_EQ(shape_of(network, "proposal_generator.rpn_head.anchor_deltas.weight"), (Shape{12, 256, 1, 1}));
  EXPECT_EQ(shape_of(network, "roi_heads.box_head.fc1.weight"), (Shape{1024, 12544}));
  EXPECT_EQ(shape_of(network, "roi_heads.box_predictor.cls_score.bias"), (Shape{81}));
  EXPECT_EQ(shape_of(network, "roi_heads.mask_head.predictor.weight"), (Shape{80, 256, 1, 1}));
  const std::vector<Shape> shapes = infer_shapes(network.dense, {1, 3, 64, 96});
  EXPECT_EQ(shapes[static_cast<std::size_t>(network.dense.output("p2").layer)], (Shape{1, 256, 16, 24}));
  EXPECT_EQ(shapes[static_cast<std::size_t>(network.dense.output("rpn.deltas.p6").layer)], (Shape{1, 12, 1, 2}));
}

TEST(Network, EveryShippedConfigIsBuilt) {
  int built = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(FASTERMASK_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const Network network = build_network(load_config(entry.path().string()));
    EXPECT_GT(summarise(network, {256, 320}, 10, 5).parameters, 1000000) << entry.path();
    ++built;
  }
  EXPECT_GE(built, 79);
}

// detectron2's parameter count of mask_rcnn_R_50_FPN. torchvision's, for 90 classes, is 44401393; ten classes less are
// 10 * 1025 logits, 11 * 4 * 1025 deltas (it also has some for the background) and 11 * 257 mask logits.
TEST(NetworkSummary, AMaskRcnnHasAsManyParametersAsDetectron2s) {
  const NetworkSummary summary = summarise(build_network(load_config(kMaskFpn)), {800, 1067}, 1000, 100);
  EXPECT_EQ(summary.parameters, 44401393 - 10 * 1025 - 11 * 4 * 1025 - 11 * 257);
}

TEST(Network, DeformableStagesHaveOffsetsBesideTheirConvolutions) {
  const Network network = build_network(load_config("Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml"));
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res2.0.conv2_offset.weight"), Shape());
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res3.0.conv2_offset.weight"), (Shape{18, 128, 3, 3}));
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res5.2.conv2_offset.bias"), (Shape{18}));
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res5.2.conv2.weight"), (Shape{512, 512, 3, 3}));
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res5.2.conv2.bias"), Shape());
  // The plain network's, and 13 blocks' offsets: 18 * (9 * C + 1) each.
  const NetworkSummary plain = summarise(build_network(load_config(kMaskFpn)), {800, 1067}, 1000, 100);
  const NetworkSummary deformable = summarise(network, {800, 1067}, 1000, 100);
  EXPECT_EQ(deformable.parameters - plain.parameters, 18 * (9 * (4 * 128 + 6 * 256 + 3 * 512) + 13));
  EXPECT_GT(deformable.flops, plain.flops);
}

TEST(Network, ModulatedDeformableStagesHaveThreeNumbersATap) {
  const Network network =
      build_network(load_config("Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml",
                                {"MODEL.RESNETS.DEFORM_MODULATED", "True", "MODEL.RESNETS.DEFORM_NUM_GROUPS", "2"}));
  EXPECT_EQ(shape_of(network, "backbone.bottom_up.res4.0.conv2_offset.weight"), (Shape{54, 256, 3, 3}));
}

TEST(Network, GivenProposalsLeaveTheRpnOut) {
  const Network network = build_network(load_config("COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml"));
  EXPECT_TRUE(network.rpn_levels.empty());
  EXPECT_EQ(shape_of(network, "proposal_generator.rpn_head.conv.weight"), Shape());
  EXPECT_EQ(network.box_heads.size(), 1u);
}

TEST(NetworkSummary, CountsRes5AgainForTheMasksOfAC4Network) {
  const Network network = build_network(load_config("COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml"));
  const NetworkSummary summary = summarise(network, {800, 1067}, 1000, 100);
  std::int64_t boxes = 0, masks = 0;
  for (const GraphSummary& part : summary.graphs) {
    if (part.name == "roi_stage") boxes = part.flops;
    if (part.name != "roi_stage (masks)") continue;
    masks = part.flops;
    EXPECT_EQ(part.parameters, 0);  // they are the boxes'
  }
  EXPECT_GT(masks, 0);
  EXPECT_EQ(masks * 10, boxes);
}

TEST(Network, AC4NetworkRunsRes5OnItsRegions) {
  const Network network = build_network(load_config(kFasterC4));
  EXPECT_THAT(level_names(network.roi_levels), ElementsAre("res4/16"));
  EXPECT_EQ(network.num_anchors, 15);
  EXPECT_EQ(network.size_divisibility, 0);
  ASSERT_TRUE(network.roi_stage.has_value());
  EXPECT_EQ(infer_shapes(*network.roi_stage, {5, 1024, 14, 14}).back(), (Shape{5, 2048, 7, 7}));
  EXPECT_EQ(shape_of(network, "roi_heads.res5.0.shortcut.weight"), (Shape{2048, 1024, 1, 1}));
  EXPECT_EQ(shape_of(network, "roi_heads.box_predictor.bbox_pred.weight"), (Shape{320, 2048}));
}

TEST(Network, DilatedRes5KeepsTheStrideOfRes4) {
  const Network network = build_network(load_config("COCO-Detection/faster_rcnn_R_50_DC5_1x.yaml"));
  EXPECT_THAT(level_names(network.rpn_levels), ElementsAre("res5/16"));
  EXPECT_EQ(infer_shapes(network.dense, {1, 3, 64, 64})[static_cast<std::size_t>(network.dense.output("res5").layer)],
            (Shape{1, 2048, 4, 4}));
}

TEST(Network, ACascadeHasItsStagesAndAKeypointHeadItsMaps) {
  const Network cascade = build_network(load_config("Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml"));
  EXPECT_EQ(cascade.box_heads.size(), 3u);
  EXPECT_EQ(shape_of(cascade, "roi_heads.box_predictor.2.bbox_pred.weight"), (Shape{4, 1024}));
  const Network keypoints = build_network(load_config("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml"));
  ASSERT_TRUE(keypoints.keypoint_head.has_value());
  EXPECT_EQ(infer_shapes(*keypoints.keypoint_head, {2, 256, 14, 14}).back(), (Shape{2, 17, 56, 56}));
}

TEST(Network, AProposalNetworkHasNoHeads) {
  const Network network = build_network(load_config("COCO-Detection/rpn_R_50_FPN_1x.yaml"));
  EXPECT_TRUE(network.box_heads.empty());
  EXPECT_EQ(network.graphs().size(), 1u);
}

TEST(Network, FreezeAtCountsTheStagesFromTheStem) {
  for (int freeze_at = 0; freeze_at <= 5; ++freeze_at) {
    const Network network = build_network(
        load_config(kMaskFpn, {"MODEL.BACKBONE.FREEZE_AT", std::to_string(freeze_at), "MODEL.RESNETS.NORM", "BN"}));
    for (const Parameter& parameter : network.parameters()) {
      if (parameter.role != ParameterRole::weight || parameter.name.find("bottom_up") == std::string::npos) continue;
      const std::size_t at = parameter.name.find(".res");
      const int stage = at == std::string::npos ? 1 : parameter.name[at + 4] - '0';
      EXPECT_EQ(parameter.trainable, stage > freeze_at) << parameter.name << " with FREEZE_AT " << freeze_at;
    }
  }
}

TEST(Network, ResNetsHaveTheirBlocks) {
  EXPECT_THAT(resnet_blocks(18), ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(resnet_blocks(34), ElementsAre(3, 4, 6, 3));
  EXPECT_THAT(resnet_blocks(101), ElementsAre(3, 4, 23, 3));
  EXPECT_THAT(resnet_blocks(152), ElementsAre(3, 8, 36, 3));
  EXPECT_THAT([] { resnet_blocks(20); },
              ThrowsMessage<ConfigError>("config: MODEL.RESNETS.DEPTH must be 18, 34, 50, 101 or 152, got 20"));
}

TEST(Summary, CountsWhatDetectron2CountsAsParameters) {
  const NetworkSummary summary = summarise(build_network(load_config(kMaskFpn)), {800, 1200}, 1000, 100);
  // torchvision's maskrcnn_resnet50_fpn has 44,401,393 for 91 classes; 80 take 58,177 less.
  EXPECT_EQ(summary.parameters, 44401393 - 58177);
  // Frozen: the stem's 9408 weights and the 212,992 of res2.
  EXPECT_EQ(summary.parameters - summary.trainable, 9408 + 212992);
  ASSERT_EQ(summary.graphs.size(), 3u);
  EXPECT_EQ(summary.graphs[1].name, "box_head");
  EXPECT_EQ(summary.graphs[1].flops, 2LL * 1000 * (12544 * 1024 + 1024 * 1024 + 1024 * 81 + 1024 * 320));
  EXPECT_EQ(summary.flops, summary.graphs[0].flops + summary.graphs[1].flops + summary.graphs[2].flops);
}

TEST(Summary, ImagesAreRoundedUpToTheSizeDivisibility) {
  const Network network = build_network(load_config(kMaskFpn));
  EXPECT_EQ(summarise(network, {65, 90}, 1, 1).flops, summarise(network, {96, 96}, 1, 1).flops);
}

struct Contradiction {
  const char* config;
  std::function<void(ModelConfig&)> change;
  const char* message;
};

TEST(Network, ContradictionsAreRefusedByTheirKey) {
  const std::vector<Contradiction> contradictions = {
      {kMaskFpn, [](ModelConfig& m) { m.resnets.out_features = {"res6"}; },
       "config: MODEL.RESNETS.OUT_FEATURES must name stem, res2 .. res5, got 'res6'"},
      {kMaskFpn,
       [](ModelConfig& m) {
         m.fpn.in_features = {"res2", "stem"};
       },
       "config: MODEL.FPN.IN_FEATURES must be among MODEL.RESNETS.OUT_FEATURES (res2, res3, res4, res5)"},
      {kMaskFpn, [](ModelConfig& m) { m.resnets.depth = 18; },
       "config: MODEL.RESNETS.RES2_OUT_CHANNELS must be 64 for depth 18, got 256"},
      {kMaskFpn,
       [](ModelConfig& m) {
         m.resnets.depth = 34;
         m.resnets.res2_out_channels = 64;
         m.resnets.num_groups = 2;
       },
       "config: MODEL.RESNETS: depth 34 has neither dilation nor groups"},
      {kMaskFpn, [](ModelConfig& m) { m.backbone.name = "vit"; }, "config: MODEL.BACKBONE.NAME: not supported: 'vit'"},
      {kMaskFpn, [](ModelConfig& m) { m.rpn.head_name = "X"; },
       "config: MODEL.RPN.HEAD_NAME: not supported: 'X'; known is StandardRPNHead"},
      {kMaskFpn, [](ModelConfig& m) { m.rpn.conv_dims.clear(); },
       "config: MODEL.RPN.CONV_DIMS must have at least one entry"},
      {kMaskFpn,
       [](ModelConfig& m) {
         m.rpn.in_features = {"p2", "p7"};
       },
       "config: MODEL.RPN.IN_FEATURES: the backbone has no feature 'p7', only p2, p3, p4, p5, p6"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_heads.in_features.clear(); },
       "config: MODEL.ROI_HEADS.IN_FEATURES must name at least one feature (p2, p3, p4, p5, p6)"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_box_head.name = "X"; },
       "config: MODEL.ROI_BOX_HEAD.NAME: not supported: 'X'"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_box_head.num_fc = 0; },
       "config: MODEL.ROI_BOX_HEAD needs NUM_CONV + NUM_FC of at least 1, got 0 + 0"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_box_head.pooler_type = "X"; },
       "config: MODEL.ROI_BOX_HEAD.POOLER_TYPE: not supported: 'X'; known are ROIAlignV2, ROIAlign, ROIPool"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_mask_head.name = "X"; },
       "config: MODEL.ROI_MASK_HEAD.NAME: not supported: 'X'"},
      {kMaskFpn, [](ModelConfig& m) { m.anchor_generator.sizes.clear(); },
       "config: MODEL.ANCHOR_GENERATOR.SIZES and ASPECT_RATIOS must not be empty"},
      {kMaskFpn,
       [](ModelConfig& m) {
         m.anchor_generator.sizes = {{32}, {64, 128}};
       },
       "config: MODEL.ANCHOR_GENERATOR must give every level equally many anchors, got 3 and 6"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_heads.name = "CascadeROIHeads"; },
       "config: CascadeROIHeads needs MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG True"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_heads.name = "X"; }, "config: MODEL.ROI_HEADS.NAME: not supported: 'X'"},
      {kMaskFpn, [](ModelConfig& m) { m.roi_heads.name = "Res5ROIHeads"; },
       "config: Res5ROIHeads takes one feature in MODEL.ROI_HEADS.IN_FEATURES"},
      {kFasterC4, [](ModelConfig& m) { m.keypoint_on = true; },
       "config: Res5ROIHeads has no keypoint head: set MODEL.KEYPOINT_ON False"},
      {"COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml", [](ModelConfig& m) { m.roi_keypoint_head.name = "X"; },
       "config: MODEL.ROI_KEYPOINT_HEAD.NAME: not supported: 'X'"},
  };
  for (const Contradiction& contradiction : contradictions) {
    Config config = load_config(contradiction.config);
    contradiction.change(config.model);
    EXPECT_THAT([&] { build_network(config); }, ThrowsMessage<ConfigError>(HasSubstr(contradiction.message)));
  }
}

}  // namespace
}  // namespace fastermask
