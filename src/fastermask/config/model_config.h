// MODEL: the network and its detection logic. Part of config.h, which explains the form of the declarations.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/check.h"
#include "fastermask/config/foreign_config.h"
#include "fastermask/config/roi_config.h"

namespace fastermask {

struct BackboneConfig {
  std::string name = "build_resnet_backbone";
  int freeze_at = 2;

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"build_resnet_backbone", "build_resnet_fpn_backbone"}),
      "build_resnet_backbone (C4, DC5) or build_resnet_fpn_backbone");
    v("FREEZE_AT", freeze_at, in_range(0, 5), "frozen stages: 0 none, 1 the stem, 2 the stem and res2, ...");
  }
};

struct FPNConfig {
  std::vector<std::string> in_features;
  int out_channels = 256;
  std::string norm;
  std::string fuse_type = "sum";

  template <class V>
  void visit(V& v) {
    v("IN_FEATURES", in_features, any(), "backbone stages the pyramid stands on, finest first");
    v("OUT_CHANNELS", out_channels, at_least(1), "channels of every pyramid level");
    v("NORM", norm, norm_name(), "normalisation of the lateral and output convolutions; \"\" is none");
    v("FUSE_TYPE", fuse_type, one_of({"sum", "avg"}), "how the lateral and the top-down map are joined");
  }
};

struct ProposalGeneratorConfig {
  std::string name = "RPN";
  int min_size = 0;

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"RPN", "PrecomputedProposals"}),
      "where proposals come from: RPN or PrecomputedProposals");
    v("MIN_SIZE", min_size, at_least(0), "proposals with a side up to this many input pixels are dropped");
  }
};

struct AnchorGeneratorConfig {
  std::string name = "DefaultAnchorGenerator";
  std::vector<std::vector<double>> sizes = {{32, 64, 128, 256, 512}};  // [level], or one list for all levels
  std::vector<std::vector<double>> aspect_ratios = {{0.5, 1.0, 2.0}};  // [level], or one list for all levels
  std::vector<std::vector<double>> angles = {{-90, 0, 90}};
  double offset = 0.0;

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"DefaultAnchorGenerator"}), "anchor generator");
    v("SIZES", sizes, above(0).bare().not_empty(),
      "square roots of the anchors' areas in input pixels: a list for each level, or one list for all levels");
    v("ASPECT_RATIOS", aspect_ratios, above(0).not_empty(),
      "height / width of the anchors: a list for each level, or one list for all levels");
    v("ANGLES", angles, only_default("rotated boxes").bare(), "angles of rotated anchors");
    v("OFFSET", offset, in_range(0, 1), "where in its cell an anchor's centre is: 0 the corner, 0.5 the middle");
  }
};

struct RPNConfig {
  std::string head_name = "StandardRPNHead";
  std::vector<std::string> in_features = {"res4"};
  int boundary_thresh = -1;
  std::vector<double> iou_thresholds = {0.3, 0.7};
  std::vector<int> iou_labels = {0, -1, 1};
  int batch_size_per_image = 256;
  double positive_fraction = 0.5;
  std::string bbox_reg_loss_type = "smooth_l1";
  double bbox_reg_loss_weight = 1.0;
  std::vector<double> bbox_reg_weights = {1.0, 1.0, 1.0, 1.0};
  double smooth_l1_beta = 0.0;
  double loss_weight = 1.0;
  int pre_nms_topk_train = 12000;
  int pre_nms_topk_test = 6000;
  int post_nms_topk_train = 2000;
  int post_nms_topk_test = 1000;
  double nms_thresh = 0.7;
  std::vector<int> conv_dims = {-1};

  template <class V>
  void visit(V& v) {
    v("HEAD_NAME", head_name, component({"StandardRPNHead"}), "RPN head");
    v("IN_FEATURES", in_features, any().not_empty(), "feature maps with anchors, finest first");
    v("BOUNDARY_THRESH", boundary_thresh, at_least(-1),
      "anchors further outside the image than this many pixels are left out of training; -1: none are");
    v("IOU_THRESHOLDS", iou_thresholds, in_range(0, 1).not_empty(),
      "IoU bounds between the labels of IOU_LABELS when anchors are matched with ground truth");
    v("IOU_LABELS", iou_labels, in_range(-1, 1).not_empty(),
      "label of each IoU interval, lowest first: 0 background, 1 object, -1 ignored");
    v("BATCH_SIZE_PER_IMAGE", batch_size_per_image, at_least(1), "anchors sampled from an image in training");
    v("POSITIVE_FRACTION", positive_fraction, in_range(0, 1), "largest share of objects among the sampled anchors");
    v("BBOX_REG_LOSS_TYPE", bbox_reg_loss_type, one_of({"smooth_l1", "giou", "diou", "ciou"}), "loss of the boxes");
    v("BBOX_REG_LOSS_WEIGHT", bbox_reg_loss_weight, at_least(0), "factor of the box loss");
    v("BBOX_REG_WEIGHTS", bbox_reg_weights, above(0).length(4), "factors of the four deltas (dx, dy, dw, dh)");
    v("SMOOTH_L1_BETA", smooth_l1_beta, at_least(0), "where smooth L1 turns from square to line; 0 is plain L1");
    v("LOSS_WEIGHT", loss_weight, at_least(0), "factor of both RPN losses");
    v("PRE_NMS_TOPK_TRAIN", pre_nms_topk_train, at_least(1), "best anchors of each level that enter NMS in training");
    v("PRE_NMS_TOPK_TEST", pre_nms_topk_test, at_least(1), "best anchors of each level that enter NMS in inference");
    v("POST_NMS_TOPK_TRAIN", post_nms_topk_train, at_least(1), "proposals kept for an image in training, all levels");
    v("POST_NMS_TOPK_TEST", post_nms_topk_test, at_least(1), "proposals kept for an image in inference, all levels");
    v("NMS_THRESH", nms_thresh, in_range(0, 1), "IoU above which a proposal is dropped in favour of a better one");
    v("CONV_DIMS", conv_dims, at_least(-1).not_empty(),
      "channels of each 3x3 convolution of the head; -1: as many as its input");
  }
};

struct ResNetsConfig {
  int depth = 50;
  std::vector<std::string> out_features = {"res4"};
  int num_groups = 1;
  std::string norm = "FrozenBN";
  int width_per_group = 64;
  bool stride_in_1x1 = true;
  int res5_dilation = 1;
  int res2_out_channels = 256;
  int stem_out_channels = 64;
  std::vector<bool> deform_on_per_stage = {false, false, false, false};
  bool deform_modulated = false;
  int deform_num_groups = 1;

  template <class V>
  void visit(V& v) {
    v("DEPTH", depth, one_of({"18", "34", "50", "101", "152"}), "layers: 18, 34, 50, 101 or 152");
    v("OUT_FEATURES", out_features, any().not_empty(), "stages that are used: res2 .. res5 (and stem)");
    v("NUM_GROUPS", num_groups, at_least(1), "groups of the 3x3 convolutions; more than 1 makes a ResNeXt");
    v("NORM", norm, norm_name(), "normalisation after every convolution; \"\" is none");
    v("WIDTH_PER_GROUP", width_per_group, at_least(1), "channels of a group in res2's 3x3 convolutions");
    v("STRIDE_IN_1X1", stride_in_1x1, any(),
      "a stage's stride is in its 1x1 convolution (weights from MSRA) instead of its 3x3 (torchvision, Caffe2)");
    v("RES5_DILATION", res5_dilation, in_range(1, 2), "dilation of res5; 2 keeps it at stride 16 (DC5)");
    v("RES2_OUT_CHANNELS", res2_out_channels, at_least(1), "channels of res2: 256, or 64 for ResNet-18 and 34");
    v("STEM_OUT_CHANNELS", stem_out_channels, at_least(1), "channels of the stem");
    v("DEFORM_ON_PER_STAGE", deform_on_per_stage, any().length(4), "deformable 3x3 convolutions in res2 .. res5");
    v("DEFORM_MODULATED", deform_modulated, any(), "modulated deformable convolution (v2)");
    v("DEFORM_NUM_GROUPS", deform_num_groups, at_least(1), "groups of offsets in a deformable convolution");
  }
};

struct ModelConfig {
  std::string meta_architecture = "GeneralizedRCNN";
  bool load_proposals = false;
  bool mask_on = false;
  bool keypoint_on = false;
  std::string device = "auto";
  std::string weights;
  std::vector<double> pixel_mean = {103.53, 116.28, 123.675};
  std::vector<double> pixel_std = {1.0, 1.0, 1.0};
  BackboneConfig backbone;
  FPNConfig fpn;
  ProposalGeneratorConfig proposal_generator;
  AnchorGeneratorConfig anchor_generator;
  RPNConfig rpn;
  ROIHeadsConfig roi_heads;
  ROIBoxHeadConfig roi_box_head;
  ROIBoxCascadeHeadConfig roi_box_cascade_head;
  ROIMaskHeadConfig roi_mask_head;
  ROIKeypointHeadConfig roi_keypoint_head;
  SemSegHeadConfig sem_seg_head;
  PanopticFPNConfig panoptic_fpn;
  RetinaNetConfig retinanet;
  ResNetsConfig resnets;

  template <class V>
  void visit(V& v) {
    v("META_ARCHITECTURE", meta_architecture, component({"GeneralizedRCNN", "ProposalNetwork"}),
      "GeneralizedRCNN, or ProposalNetwork for an RPN alone");
    v("LOAD_PROPOSALS", load_proposals, any(), "take proposals from DATASETS.PROPOSAL_FILES_*");
    v("MASK_ON", mask_on, any(), "predict masks");
    v("KEYPOINT_ON", keypoint_on, any(), "predict keypoints");
    v("DEVICE", device, any(),
      "where the network is computed: auto (the best device there is), cpu, cuda, cuda:0, npu:0, ...");
    v("WEIGHTS", weights, any(), "file with the first weights: .pth, .pkl or .safetensors; \"\" for random ones");
    v("PIXEL_MEAN", pixel_mean, any().not_empty(), "subtracted from the pixels, in the order of INPUT.FORMAT");
    v("PIXEL_STD", pixel_std, above(0).not_empty(), "the pixels are divided by it, in the order of INPUT.FORMAT");
    v.section("BACKBONE", backbone);
    v.section("FPN", fpn);
    v.section("PROPOSAL_GENERATOR", proposal_generator);
    v.section("ANCHOR_GENERATOR", anchor_generator);
    v.section("RPN", rpn);
    v.section("ROI_HEADS", roi_heads);
    v.section("ROI_BOX_HEAD", roi_box_head);
    v.section("ROI_BOX_CASCADE_HEAD", roi_box_cascade_head);
    v.section("ROI_MASK_HEAD", roi_mask_head);
    v.section("ROI_KEYPOINT_HEAD", roi_keypoint_head);
    v.section("SEM_SEG_HEAD", sem_seg_head);
    v.section("PANOPTIC_FPN", panoptic_fpn);
    v.section("RETINANET", retinanet);
    v.section("RESNETS", resnets);
  }
};

}  // namespace fastermask
