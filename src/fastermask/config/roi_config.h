// MODEL.ROI_*: what happens to each region. Part of config.h, which explains the form of the declarations.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/check.h"

namespace fastermask {

struct ROIHeadsConfig {
  std::string name = "Res5ROIHeads";
  int num_classes = 80;
  std::vector<std::string> in_features = {"res4"};
  std::vector<double> iou_thresholds = {0.5};
  std::vector<int> iou_labels = {0, 1};
  int batch_size_per_image = 512;
  double positive_fraction = 0.25;
  double score_thresh_test = 0.05;
  double nms_thresh_test = 0.5;
  bool proposal_append_gt = true;

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"Res5ROIHeads", "StandardROIHeads", "CascadeROIHeads"}),
      "what turns proposals into detections: Res5ROIHeads (C4), StandardROIHeads (FPN, DC5) or CascadeROIHeads");
    v("NUM_CLASSES", num_classes, at_least(1), "number of object classes, the background not counted");
    v("IN_FEATURES", in_features, any().not_empty(), "feature maps that regions are pooled from, finest first");
    v("IOU_THRESHOLDS", iou_thresholds, in_range(0, 1).not_empty(),
      "IoU bounds between the labels of IOU_LABELS when proposals are matched with ground truth");
    v("IOU_LABELS", iou_labels, in_range(-1, 1).not_empty(),
      "label of each IoU interval, lowest first: 0 background, 1 object, -1 ignored");
    v("BATCH_SIZE_PER_IMAGE", batch_size_per_image, at_least(1), "regions sampled from an image in training");
    v("POSITIVE_FRACTION", positive_fraction, in_range(0, 1), "largest share of objects among the sampled regions");
    v("SCORE_THRESH_TEST", score_thresh_test, in_range(0, 1), "detections with a score up to this are dropped");
    v("NMS_THRESH_TEST", nms_thresh_test, in_range(0, 1),
      "IoU above which a detection is dropped in favour of a better one of its class");
    v("PROPOSAL_APPEND_GT", proposal_append_gt, any(), "add the ground-truth boxes to the proposals in training");
  }
};

struct ROIBoxHeadConfig {
  std::string name;
  std::string bbox_reg_loss_type = "smooth_l1";
  double bbox_reg_loss_weight = 1.0;
  std::vector<double> bbox_reg_weights = {10.0, 10.0, 5.0, 5.0};
  double smooth_l1_beta = 0.0;
  int pooler_resolution = 14;
  int pooler_sampling_ratio = 0;
  std::string pooler_type = "ROIAlignV2";
  int num_fc = 0;
  int fc_dim = 1024;
  int num_conv = 0;
  int conv_dim = 256;
  std::string norm;
  bool cls_agnostic_bbox_reg = false;
  bool train_on_pred_boxes = false;
  bool use_sigmoid_ce = false;
  bool use_fed_loss = false;
  double fed_loss_freq_weight_power = 0.5;
  int fed_loss_num_classes = 50;

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"", "FastRCNNConvFCHead"}), "box head: FastRCNNConvFCHead, or \"\" for Res5ROIHeads");
    v("BBOX_REG_LOSS_TYPE", bbox_reg_loss_type, one_of({"smooth_l1", "giou", "diou", "ciou"}), "loss of the boxes");
    v("BBOX_REG_LOSS_WEIGHT", bbox_reg_loss_weight, at_least(0), "factor of the box loss");
    v("BBOX_REG_WEIGHTS", bbox_reg_weights, above(0).length(4), "factors of the four deltas (dx, dy, dw, dh)");
    v("SMOOTH_L1_BETA", smooth_l1_beta, at_least(0), "where smooth L1 turns from square to line; 0 is plain L1");
    v("POOLER_RESOLUTION", pooler_resolution, at_least(1), "cells along each side of a pooled region");
    v("POOLER_SAMPLING_RATIO", pooler_sampling_ratio, at_least(0),
      "samples along each side of a cell; 0: as many as the region's size asks for");
    v("POOLER_TYPE", pooler_type, pooler_name(), "how regions are pooled: ROIAlignV2, ROIAlign or ROIPool");
    v("NUM_FC", num_fc, at_least(0), "fully connected layers of the box head");
    v("FC_DIM", fc_dim, at_least(1), "their width");
    v("NUM_CONV", num_conv, at_least(0), "3x3 convolutions before them");
    v("CONV_DIM", conv_dim, at_least(1), "channels of those convolutions");
    v("NORM", norm, norm_name(), "normalisation after those convolutions; \"\" is none");
    v("CLS_AGNOSTIC_BBOX_REG", cls_agnostic_bbox_reg, any(), "one box for all classes instead of one each");
    v("TRAIN_ON_PRED_BOXES", train_on_pred_boxes, any(),
      "train the mask and keypoint heads on the boxes just predicted instead of the proposals");
    v("USE_SIGMOID_CE", use_sigmoid_ce, only_default("sigmoid classification of regions"),
      "classify with one sigmoid a class instead of a softmax");
    v("USE_FED_LOSS", use_fed_loss, only_default("the federated loss"), "federated loss of large vocabularies");
    v("FED_LOSS_FREQ_WEIGHT_POWER", fed_loss_freq_weight_power, any(), "power of the class frequency when it samples");
    v("FED_LOSS_NUM_CLASSES", fed_loss_num_classes, at_least(1), "classes it samples in an iteration");
  }
};

struct ROIBoxCascadeHeadConfig {
  std::vector<std::vector<double>> bbox_reg_weights = {  // [stage]
      {10.0, 10.0, 5.0, 5.0}, {20.0, 20.0, 10.0, 10.0}, {30.0, 30.0, 15.0, 15.0}};
  std::vector<double> ious = {0.5, 0.6, 0.7};  // [stage]

  template <class V>
  void visit(V& v) {
    v("BBOX_REG_WEIGHTS", bbox_reg_weights, above(0).length(4).not_empty(),
      "factors of the deltas (dx, dy, dw, dh) in each stage");
    v("IOUS", ious, in_range(0, 1).not_empty(), "IoU from which a box counts as an object, in each stage");
  }
};

struct ROIMaskHeadConfig {
  std::string name = "MaskRCNNConvUpsampleHead";
  int pooler_resolution = 14;
  int pooler_sampling_ratio = 0;
  int num_conv = 0;
  int conv_dim = 256;
  std::string norm;
  bool cls_agnostic_mask = false;
  std::string pooler_type = "ROIAlignV2";

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"MaskRCNNConvUpsampleHead"}), "mask head");
    v("POOLER_RESOLUTION", pooler_resolution, at_least(1),
      "cells along each side of a pooled region; masks have twice as many");
    v("POOLER_SAMPLING_RATIO", pooler_sampling_ratio, at_least(0),
      "samples along each side of a cell; 0: as many as the region's size asks for");
    v("NUM_CONV", num_conv, at_least(0), "3x3 convolutions before the upsampling");
    v("CONV_DIM", conv_dim, at_least(1), "channels of all its layers");
    v("NORM", norm, norm_name(), "normalisation after the convolutions; \"\" is none");
    v("CLS_AGNOSTIC_MASK", cls_agnostic_mask, any(), "one mask for all classes instead of one each");
    v("POOLER_TYPE", pooler_type, pooler_name(), "how regions are pooled: ROIAlignV2, ROIAlign or ROIPool");
  }
};

struct ROIKeypointHeadConfig {
  std::string name = "KRCNNConvDeconvUpsampleHead";
  int pooler_resolution = 14;
  int pooler_sampling_ratio = 0;
  std::vector<int> conv_dims = {512, 512, 512, 512, 512, 512, 512, 512};
  int num_keypoints = 17;
  int min_keypoints_per_image = 1;
  bool normalize_loss_by_visible_keypoints = true;
  double loss_weight = 1.0;
  std::string pooler_type = "ROIAlignV2";

  template <class V>
  void visit(V& v) {
    v("NAME", name, component({"KRCNNConvDeconvUpsampleHead"}), "keypoint head");
    v("POOLER_RESOLUTION", pooler_resolution, at_least(1),
      "cells along each side of a pooled region; heat maps have four times as many");
    v("POOLER_SAMPLING_RATIO", pooler_sampling_ratio, at_least(0),
      "samples along each side of a cell; 0: as many as the region's size asks for");
    v("CONV_DIMS", conv_dims, at_least(1), "channels of each 3x3 convolution");
    v("NUM_KEYPOINTS", num_keypoints, at_least(1), "keypoints of an object");
    v("MIN_KEYPOINTS_PER_IMAGE", min_keypoints_per_image, at_least(0),
      "training images with fewer visible keypoints are left out");
    v("NORMALIZE_LOSS_BY_VISIBLE_KEYPOINTS", normalize_loss_by_visible_keypoints, any(),
      "divide the loss by the visible keypoints instead of by a number that depends on the batch size alone");
    v("LOSS_WEIGHT", loss_weight, at_least(0), "factor of the keypoint loss");
    v("POOLER_TYPE", pooler_type, pooler_name(), "how regions are pooled: ROIAlignV2, ROIAlign or ROIPool");
  }
};

}  // namespace fastermask
