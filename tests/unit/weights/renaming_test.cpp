// Other projects' names in detectron2's words.
#include "fastermask/weights/renaming.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastermask {
namespace {

NamedArrays arrays_named(const std::vector<std::string>& names) {
  NamedArrays arrays;
  for (const std::string& name : names) arrays[name] = NDArray::from<float>({1}, std::vector<float>{0});
  return arrays;
}

std::vector<std::string> names_of(const NamedArrays& arrays) {
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  return names;
}

NDArray rows(std::vector<float> values) {
  return NDArray::from<float>({static_cast<std::int64_t>(values.size()), 1}, values);
}

TEST(Renaming, Caffe2NamesBecomeSuffixesOfDetectron2s) {
  const std::pair<const char*, const char*> cases[] = {
      {"conv1_w", "stem.conv1.weight"},
      {"res_conv1_bn_gamma", "stem.conv1.norm.weight"},
      {"res_conv1_bn_s", "stem.conv1.norm.weight"},
      {"res_conv1_bn_running_var", "stem.conv1.norm.running_var"},
      {"res4_22_branch2b_bn_rm", "res4.22.conv2.norm.running_mean"},
      {"res4_22_branch2b_bn_riv", "res4.22.conv2.norm.running_var"},
      {"res2_0_branch1_gn_s", "res2.0.shortcut.norm.weight"},
      {"fpn_inner_res4_5_sum_lateral_w", "fpn_lateral4.weight"},
      {"fpn_inner_res5_2_sum_gn_b", "fpn_lateral5.norm.bias"},
      {"fpn_res2_2_sum_gn_s", "fpn_output2.norm.weight"},
      {"head_conv1_gn_b", "box_head.conv1.norm.bias"},
      {"_mask_fcn2_w", "mask_head.mask_fcn2.weight"},
      {"kps_score_lowres_w", "roi_heads.keypoint_head.score_lowres.weight"},
      {"rpn_cls_logits_b", "proposal_generator.rpn_head.objectness_logits.bias"},
      {"pred_w", "linear.weight"},
  };
  for (const auto& [old_name, new_name] : cases) EXPECT_EQ(rename_caffe2(old_name), new_name);
}

TEST(Renaming, Caffe2sBackgroundClassLeavesOrMovesToTheEnd) {
  NamedArrays blobs;
  blobs["cls_score_w"] = rows({0, 1, 2});
  blobs["bbox_pred_w"] = rows({0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2});
  blobs["mask_fcn_logits_w"] = rows({0, 1, 2});
  blobs["mask_fcn_logits_w_momentum"] = rows({0, 1, 2});
  const NamedArrays result = convert_caffe2(blobs);
  EXPECT_EQ(result.size(), 3u);
  EXPECT_EQ(result.at("cls_score.weight").to_floats(), (std::vector<float>{1, 2, 0}));
  EXPECT_EQ(result.at("bbox_pred.weight").to_floats(), (std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(result.at("mask_head.predictor.weight").shape, (Shape{2, 1}));
}

TEST(Renaming, TwoArraysOfOneNameAreRefused) {
  try {
    convert_caffe2(arrays_named({"conv_rpn_w", "conv_rpn_fpn2_w"}));
    FAIL();
  } catch (const WeightsError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("'conv_rpn_w' and another array are both named "
                                                 "'proposal_generator.rpn_head.conv.weight'"));
  }
}

TEST(Renaming, TorchvisionsMaskRcnnGetsFullNames) {
  NamedArrays arrays = arrays_named(
      {"backbone.body.conv1.weight", "backbone.body.bn1.running_mean", "backbone.body.layer1.0.downsample.1.bias",
       "backbone.body.layer4.2.bn3.weight", "backbone.fpn.inner_blocks.0.weight", "backbone.fpn.layer_blocks.3.0.bias",
       "rpn.head.conv.weight", "rpn.head.cls_logits.bias", "rpn.head.bbox_pred.weight", "roi_heads.box_head.fc6.weight",
       "roi_heads.mask_head.mask_fcn1.bias", "roi_heads.mask_predictor.conv5_mask.weight"});
  arrays["roi_heads.box_predictor.cls_score.weight"] = rows({0, 1, 2});
  arrays["roi_heads.box_predictor.bbox_pred.bias"] = rows({0, 0, 0, 0, 1, 1, 1, 1});
  arrays["roi_heads.mask_predictor.mask_fcn_logits.weight"] = rows({0, 1, 2});
  EXPECT_EQ(recognise_names(arrays), WeightNames::torchvision_detection);
  const NamedArrays result = convert_torchvision_detection(arrays);
  EXPECT_EQ(names_of(result),
            (std::vector<std::string>{
                "backbone.bottom_up.res2.0.shortcut.norm.bias", "backbone.bottom_up.res5.2.conv3.norm.weight",
                "backbone.bottom_up.stem.conv1.norm.running_mean", "backbone.bottom_up.stem.conv1.weight",
                "backbone.fpn_lateral2.weight", "backbone.fpn_output5.bias",
                "proposal_generator.rpn_head.anchor_deltas.weight", "proposal_generator.rpn_head.conv.weight",
                "proposal_generator.rpn_head.objectness_logits.bias", "roi_heads.box_head.fc1.weight",
                "roi_heads.box_predictor.bbox_pred.bias", "roi_heads.box_predictor.cls_score.weight",
                "roi_heads.mask_head.deconv.weight", "roi_heads.mask_head.mask_fcn1.bias",
                "roi_heads.mask_head.predictor.weight"}));
  EXPECT_EQ(result.at("roi_heads.box_predictor.cls_score.weight").to_floats(), (std::vector<float>{1, 2, 0}));
  EXPECT_EQ(result.at("roi_heads.box_predictor.bbox_pred.bias").shape, (Shape{4, 1}));
  EXPECT_EQ(result.at("roi_heads.mask_head.predictor.weight").to_floats(), (std::vector<float>{1, 2}));
}

TEST(Renaming, TorchvisionsSecondVersionAndKeypointHeadAreKnown) {
  NamedArrays arrays = arrays_named(
      {"backbone.fpn.inner_blocks.1.0.weight", "backbone.fpn.inner_blocks.1.1.weight", "rpn.head.conv.0.0.weight",
       "rpn.head.conv.1.0.weight", "rpn.head.cls_logits.weight", "roi_heads.box_head.0.0.weight",
       "roi_heads.box_head.0.1.running_var", "roi_heads.mask_head.2.0.weight", "roi_heads.mask_head.2.1.bias",
       "roi_heads.keypoint_head.14.bias", "roi_heads.keypoint_predictor.kps_score_lowres.weight"});
  arrays["roi_heads.box_head.5.weight"] = rows({1, 2});
  EXPECT_EQ(names_of(convert_torchvision_detection(arrays)),
            (std::vector<std::string>{
                "backbone.fpn_lateral3.norm.weight", "backbone.fpn_lateral3.weight",
                "proposal_generator.rpn_head.conv.conv0.weight", "proposal_generator.rpn_head.conv.conv1.weight",
                "proposal_generator.rpn_head.objectness_logits.weight", "roi_heads.box_head.conv1.norm.running_var",
                "roi_heads.box_head.conv1.weight", "roi_heads.box_head.fc1.weight",
                "roi_heads.keypoint_head.conv_fcn8.bias", "roi_heads.keypoint_head.score_lowres.weight",
                "roi_heads.mask_head.mask_fcn3.norm.bias", "roi_heads.mask_head.mask_fcn3.weight"}));
}

TEST(Renaming, MmdetectionsNamesGetFullNames) {
  const NamedArrays arrays =
      arrays_named({"backbone.conv1.weight", "backbone.bn1.bias", "backbone.layer2.0.downsample.0.weight",
                    "neck.lateral_convs.0.conv.weight", "neck.fpn_convs.3.gn.bias", "rpn_head.rpn_conv.bias",
                    "rpn_head.rpn_cls.weight", "rpn_head.rpn_reg.bias", "roi_head.bbox_head.shared_fcs.1.weight",
                    "roi_head.bbox_head.shared_convs.0.bn.weight", "roi_head.bbox_head.fc_cls.bias",
                    "roi_head.bbox_head.fc_reg.bias", "roi_head.mask_head.convs.0.conv.weight",
                    "roi_head.mask_head.upsample.bias", "roi_head.mask_head.conv_logits.weight"});
  EXPECT_EQ(recognise_names(arrays), WeightNames::mmdetection);
  EXPECT_EQ(
      names_of(convert_mmdetection(arrays)),
      (std::vector<std::string>{
          "backbone.bottom_up.res3.0.shortcut.weight", "backbone.bottom_up.stem.conv1.norm.bias",
          "backbone.bottom_up.stem.conv1.weight", "backbone.fpn_lateral2.weight", "backbone.fpn_output5.norm.bias",
          "proposal_generator.rpn_head.anchor_deltas.bias", "proposal_generator.rpn_head.conv.bias",
          "proposal_generator.rpn_head.objectness_logits.weight", "roi_heads.box_head.conv1.norm.weight",
          "roi_heads.box_head.fc2.weight", "roi_heads.box_predictor.bbox_pred.bias",
          "roi_heads.box_predictor.cls_score.bias", "roi_heads.mask_head.deconv.bias",
          "roi_heads.mask_head.mask_fcn1.weight", "roi_heads.mask_head.predictor.weight"}));
}

TEST(Renaming, MmdetectionsDeformableOffsetsStandBesideTheirConvolution) {
  EXPECT_EQ(names_of(convert_mmdetection(
                arrays_named({"backbone.layer2.0.conv2.conv_offset.weight", "neck.fpn_convs.0.conv.bias"}))),
            (std::vector<std::string>{"backbone.bottom_up.res3.0.conv2_offset.weight", "backbone.fpn_output2.bias"}));
}

TEST(Renaming, MmdetectionsC4ModelsKeepRes5InTheirHeadsAndCountAnchorsByRatio) {
  NamedArrays arrays =
      arrays_named({"backbone.conv1.weight", "backbone.layer3.5.conv2.weight",
                    "roi_head.shared_head.layer4.0.downsample.0.weight", "roi_head.bbox_head.fc_cls.weight"});
  std::vector<float> numbers(15);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  arrays["rpn_head.rpn_cls.weight"] = NDArray::from({15, 1, 1, 1}, numbers);
  const NamedArrays converted = convert_mmdetection(arrays);
  EXPECT_EQ(names_of(converted),
            (std::vector<std::string>{"backbone.res4.5.conv2.weight", "backbone.stem.conv1.weight",
                                      "proposal_generator.rpn_head.objectness_logits.weight",
                                      "roi_heads.box_predictor.cls_score.weight", "roi_heads.res5.0.shortcut.weight"}));
  EXPECT_EQ(converted.at("proposal_generator.rpn_head.objectness_logits.weight").to_floats(),
            (std::vector<float>{0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14}));
}

TEST(Renaming, ACascadeOfMmdetectionGivesItsLastMaskHead) {
  const NamedArrays arrays =
      arrays_named({"roi_head.bbox_head.0.fc_cls.weight", "roi_head.bbox_head.2.shared_fcs.0.bias",
                    "roi_head.mask_head.0.conv_logits.weight", "roi_head.mask_head.1.conv_logits.weight"});
  EXPECT_EQ(names_of(convert_mmdetection(arrays)),
            (std::vector<std::string>{"roi_heads.box_head.2.fc1.bias", "roi_heads.box_predictor.0.cls_score.weight",
                                      "roi_heads.mask_head.predictor.weight",
                                      "roi_heads.mask_head.stage0.predictor.weight"}));
}

TEST(Renaming, UnknownNamesAreDetectron2s) {
  EXPECT_EQ(recognise_names(arrays_named({"backbone.bottom_up.stem.conv1.weight"})), WeightNames::detectron2);
  EXPECT_EQ(recognise_names(arrays_named({"conv1_w"})), WeightNames::caffe2);
  EXPECT_EQ(recognise_names(arrays_named({"conv1.weight", "layer1.0.conv1.weight", "fc.bias"})),
            WeightNames::torchvision_imagenet);
}

}  // namespace
}  // namespace fastermask
