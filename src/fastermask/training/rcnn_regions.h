// What the parts of TrainableRcnn hand to each other within a step. Only rcnn*.cpp include this.
#pragma once

#include <vector>

#include "fastermask/training/rcnn.h"
#include "fastermask/training/roi_align_autograd.h"

namespace fastermask {

struct TrainableRcnn::DenseValues {
  std::vector<at::Tensor> roi_features;  // [level of Network::roi_levels] [N, C, H, W]
  std::vector<at::Tensor> rpn_logits;    // [level of Network::rpn_levels] [N, A, H, W] channels-last
  std::vector<at::Tensor> rpn_deltas;    // likewise [N, 4 A, H, W]
};

// The regions of the whole batch: S of all images one after the other.
struct TrainableRcnn::Regions {
  std::vector<RoiTargets> images;             // [image]
  std::vector<Roi> rois;                      // [S]
  std::vector<std::int64_t> classes;          // [S] background K
  std::vector<std::int64_t> foreground;       // [F] rows of the foreground regions
  std::vector<std::int64_t> foreground_class; // [F]
  std::vector<int> foreground_image;          // [F]
  std::vector<int> foreground_gt;             // [F] instance of its image
  std::vector<Box> foreground_boxes;          // [F]
  std::vector<Box> foreground_gt_boxes;       // [F]

  // Fills everything after `images` from it.
  void collect(const Network& network, const Batch& batch, int num_classes);
};

}  // namespace fastermask
