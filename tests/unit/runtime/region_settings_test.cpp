// The detection logic's parameters as read from configs, and pyramid levels of regions.
#include "fastermask/runtime/region_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/config/load.h"
#include "fastermask/runtime/network_executor.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::ThrowsMessage;

constexpr const char* kMaskFpn = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml";
constexpr const char* kCascade = "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml";

TEST(RegionSettings, TrainingAndInferenceTakeTheirOwnNumbersOfProposals) {
  const Config config =
      load_config(kMaskFpn, {"MODEL.RPN.PRE_NMS_TOPK_TRAIN", "11", "MODEL.RPN.PRE_NMS_TOPK_TEST", "12",
                             "MODEL.RPN.POST_NMS_TOPK_TRAIN", "13", "MODEL.RPN.POST_NMS_TOPK_TEST", "14",
                             "MODEL.RPN.NMS_THRESH", "0.6", "MODEL.PROPOSAL_GENERATOR.MIN_SIZE", "3"});
  const ProposalParams training = make_proposal_params(config, true);
  const ProposalParams inference = make_proposal_params(config, false);
  EXPECT_EQ(training.pre_nms_topk, 11);
  EXPECT_EQ(training.post_nms_topk, 13);
  EXPECT_TRUE(training.training);
  EXPECT_EQ(inference.pre_nms_topk, 12);
  EXPECT_EQ(inference.post_nms_topk, 14);
  EXPECT_FALSE(inference.training);
  EXPECT_DOUBLE_EQ(inference.nms_thresh, 0.6);
  EXPECT_EQ(inference.min_box_size, 3);
}

TEST(RegionSettings, TargetsAndDetectionsTakeTheirKeys) {
  const Config config = load_config(kMaskFpn, {"MODEL.RPN.BATCH_SIZE_PER_IMAGE",
                                               "21",
                                               "MODEL.RPN.POSITIVE_FRACTION",
                                               "0.3",
                                               "MODEL.RPN.BOUNDARY_THRESH",
                                               "5",
                                               "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE",
                                               "22",
                                               "MODEL.ROI_HEADS.POSITIVE_FRACTION",
                                               "0.4",
                                               "MODEL.ROI_HEADS.PROPOSAL_APPEND_GT",
                                               "False",
                                               "MODEL.ROI_HEADS.NUM_CLASSES",
                                               "7",
                                               "MODEL.ROI_HEADS.SCORE_THRESH_TEST",
                                               "0.2",
                                               "MODEL.ROI_HEADS.NMS_THRESH_TEST",
                                               "0.45",
                                               "TEST.DETECTIONS_PER_IMAGE",
                                               "33"});
  const RpnTargetParams anchors = make_rpn_target_params(config, SamplingStrategy::first_k);
  EXPECT_THAT(anchors.iou_thresholds, ElementsAre(0.3, 0.7));
  EXPECT_THAT(anchors.iou_labels, ElementsAre(0, -1, 1));
  EXPECT_EQ(anchors.batch_size_per_image, 21);
  EXPECT_DOUBLE_EQ(anchors.positive_fraction, 0.3);
  EXPECT_EQ(anchors.boundary_thresh, 5);
  EXPECT_EQ(anchors.strategy, SamplingStrategy::first_k);
  const RoiTargetParams regions = make_roi_target_params(config, SamplingStrategy::random);
  EXPECT_EQ(regions.batch_size_per_image, 22);
  EXPECT_DOUBLE_EQ(regions.positive_fraction, 0.4);
  EXPECT_EQ(regions.num_classes, 7);
  EXPECT_FALSE(regions.append_gt);
  EXPECT_EQ(regions.strategy, SamplingStrategy::random);
  const DetectionParams detections = make_detection_params(config);
  EXPECT_DOUBLE_EQ(detections.score_thresh, 0.2);
  EXPECT_DOUBLE_EQ(detections.nms_thresh, 0.45);
  EXPECT_EQ(detections.topk, 33);
}

TEST(RegionSettings, EachCascadeStageHasItsOwnBoxCoder) {
  const Config cascade = load_config(kCascade);
  EXPECT_EQ(box_head_coder(cascade, 0).wx, 10);
  EXPECT_EQ(box_head_coder(cascade, 2).wx, 30);
  EXPECT_EQ(box_head_coder(cascade, 2).wh, 15);
  EXPECT_THAT([&] { box_head_coder(cascade, 3); },
              ThrowsMessage<ConfigError>(
                  "config: MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS must have an entry for each of the IOUS"));
  EXPECT_EQ(box_head_coder(load_config(kMaskFpn), 0).ww, 5);
  EXPECT_THAT(
      [] {
        make_box_coder({1, 2, 3}, "KEY");
      },
      ThrowsMessage<ConfigError>("config: KEY must have 4 numbers, got 3"));
}

TEST(RegionSettings, RegionsGoToTheLevelOfTheirSize) {
  const Network network = build_network(load_config(kMaskFpn));
  std::vector<Roi> rois;
  const Boxes boxes = {{0, 0, 50, 50}, {0, 0, 112, 112}, {0, 0, 224, 224}, {0, 0, 800, 800}};
  append_rois(network, 1, boxes, rois);
  ASSERT_EQ(rois.size(), 4u);
  std::vector<int> levels;
  for (const Roi& roi : rois) levels.push_back(roi.level);
  EXPECT_THAT(levels, ElementsAre(0, 1, 2, 3));  // p2 .. p5; 224 pixels belong to p4
  EXPECT_EQ(rois[3].image, 1);
  EXPECT_EQ(rois[3].box, boxes[3]);
}

TEST(RegionSettings, OneLevelTakesEveryRegion) {
  const Network network = build_network(load_config("COCO-Detection/faster_rcnn_R_50_C4_1x.yaml"));
  std::vector<Roi> rois;
  append_rois(network, 0, Boxes{{0, 0, 5, 5}, {0, 0, 900, 900}}, rois);
  EXPECT_EQ(rois[0].level, 0);
  EXPECT_EQ(rois[1].level, 0);
}

TEST(NetworkExecutor, PartsAreFoundOrRefused) {
  const Network network = build_network(load_config(kMaskFpn));
  EXPECT_EQ(&part_graph(network, NetworkPart::dense, 0), &network.dense);
  EXPECT_EQ(&part_graph(network, NetworkPart::mask_head, 0), &*network.mask_head);
  EXPECT_THAT([&] { part_graph(network, NetworkPart::box_head, 1); },
              ThrowsMessage<Error>("executor: the network has no part 2 (stage 1)"));
  EXPECT_THROW(part_graph(network, NetworkPart::roi_stage, 0), Error);
  EXPECT_THROW(part_graph(network, NetworkPart::keypoint_head, 0), Error);
}

}  // namespace
}  // namespace fastermask
