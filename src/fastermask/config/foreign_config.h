// Sections of models outside the R-CNN family (semantic and panoptic segmentation, RetinaNet). Their keys are known, so
// that a complete detectron2 config loads, but only at their defaults. Part of config.h.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/check.h"

namespace fastermask {

struct SemSegHeadConfig {
  std::string name = "SemSegFPNHead";
  std::vector<std::string> in_features = {"p2", "p3", "p4", "p5"};
  int ignore_value = 255;
  int num_classes = 54;
  int convs_dim = 128;
  int common_stride = 4;
  std::string norm = "GN";
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    const Check none = only_default("semantic segmentation");
    v("NAME", name, none, "semantic segmentation head");
    v("IN_FEATURES", in_features, none, "its feature maps");
    v("IGNORE_VALUE", ignore_value, none, "label without a loss");
    v("NUM_CLASSES", num_classes, none, "its classes");
    v("CONVS_DIM", convs_dim, none, "its channels");
    v("COMMON_STRIDE", common_stride, none, "stride of its output");
    v("NORM", norm, none, "its normalisation");
    v("LOSS_WEIGHT", loss_weight, none, "factor of its loss");
  }
};

struct PanopticCombineConfig {
  bool enabled = true;
  double overlap_thresh = 0.5;
  int stuff_area_limit = 4096;
  double instances_confidence_thresh = 0.5;

  template <class V>
  void visit(V& v) {
    const Check none = only_default("panoptic segmentation");
    v("ENABLED", enabled, none, "combine instances and stuff");
    v("OVERLAP_THRESH", overlap_thresh, none, "overlap from which an instance is dropped");
    v("STUFF_AREA_LIMIT", stuff_area_limit, none, "smallest stuff region in pixels");
    v("INSTANCES_CONFIDENCE_THRESH", instances_confidence_thresh, none, "lowest score of a kept instance");
  }
};

struct PanopticFPNConfig {
  double instance_loss_weight = 1.0;
  PanopticCombineConfig combine;

  template <class V>
  void visit(V& v) {
    v("INSTANCE_LOSS_WEIGHT", instance_loss_weight, only_default("panoptic segmentation"),
      "factor of the instance losses");
    v.section("COMBINE", combine);
  }
};

struct RetinaNetConfig {
  int num_classes = 80;
  std::vector<std::string> in_features = {"p3", "p4", "p5", "p6", "p7"};
  int num_convs = 4;
  std::vector<double> iou_thresholds = {0.4, 0.5};
  std::vector<int> iou_labels = {0, -1, 1};
  double prior_prob = 0.01;
  double score_thresh_test = 0.05;
  int topk_candidates_test = 1000;
  double nms_thresh_test = 0.5;
  std::vector<double> bbox_reg_weights = {1.0, 1.0, 1.0, 1.0};
  double focal_loss_gamma = 2.0;
  double focal_loss_alpha = 0.25;
  double smooth_l1_loss_beta = 0.1;
  std::string bbox_reg_loss_type = "smooth_l1";
  std::string norm;

  template <class V>
  void visit(V& v) {
    const Check none = only_default("RetinaNet");
    v("NUM_CLASSES", num_classes, none, "classes of RetinaNet");
    v("IN_FEATURES", in_features, none, "its feature maps");
    v("NUM_CONVS", num_convs, none, "convolutions of its heads");
    v("IOU_THRESHOLDS", iou_thresholds, none, "IoU bounds of its anchor labels");
    v("IOU_LABELS", iou_labels, none, "its anchor labels");
    v("PRIOR_PROB", prior_prob, none, "score of every anchor at the start of training");
    v("SCORE_THRESH_TEST", score_thresh_test, none, "lowest score of a detection");
    v("TOPK_CANDIDATES_TEST", topk_candidates_test, none, "candidates of a level before NMS");
    v("NMS_THRESH_TEST", nms_thresh_test, none, "IoU above which a detection is dropped");
    v("BBOX_REG_WEIGHTS", bbox_reg_weights, none, "factors of the deltas");
    v("FOCAL_LOSS_GAMMA", focal_loss_gamma, none, "gamma of the focal loss");
    v("FOCAL_LOSS_ALPHA", focal_loss_alpha, none, "alpha of the focal loss");
    v("SMOOTH_L1_LOSS_BETA", smooth_l1_loss_beta, none, "beta of its box loss");
    v("BBOX_REG_LOSS_TYPE", bbox_reg_loss_type, none, "its box loss");
    v("NORM", norm, none, "normalisation of its heads");
  }
};

}  // namespace fastermask
