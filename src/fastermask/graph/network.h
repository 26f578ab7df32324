// A whole R-CNN as data: its graphs, and what connects them. Built from the config, read by every executor.
//
// One picture's way: image -> dense -> (proposals, on the host) -> RoIAlign -> [roi_stage] -> box_heads -> (detections,
// on the host) -> RoIAlign -> [roi_stage] -> mask_head / keypoint_head.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/graph/graph.h"

namespace fastermask {

// How regions are cut from the features: MODEL.ROI_*_HEAD.POOLER_*.
struct PoolerSpec {
  int resolution = 7;
  int sampling_ratio = 0;    // 0: adaptive
  bool aligned = true;       // ROIAlignV2
  bool max_pooling = false;  // ROIPool
};

struct LevelSpec {
  std::string name;  // "p2", "res4": also the name of the dense graph's output
  int stride = 1;
  int channels = 0;
};

struct Network {
  Graph dense;                     // [N, 3, H, W] -> levels, "rpn.logits.<level>", "rpn.deltas.<level>"
  std::optional<Graph> roi_stage;  // C4's res5, shared by the box and the mask head
  std::vector<Graph> box_heads;    // one, or one a cascade stage; none for a proposal network
  std::optional<Graph> mask_head;
  std::optional<Graph> keypoint_head;

  std::vector<LevelSpec> rpn_levels;  // MODEL.RPN.IN_FEATURES; none with proposals from files
  std::vector<LevelSpec> roi_levels;  // MODEL.ROI_HEADS.IN_FEATURES
  int num_anchors = 3;                // a cell
  PoolerSpec box_pooler;
  PoolerSpec mask_pooler;
  PoolerSpec keypoint_pooler;
  int size_divisibility = 0;

  // Every graph there is, in the order given above.
  std::vector<const Graph*> graphs() const;

  // All parameters in that order, each name once.
  std::vector<Parameter> parameters() const;
};

// The network that a config describes. Throws ConfigError for what is not supported or contradicts itself.
Network build_network(const Config& config);

}  // namespace fastermask
