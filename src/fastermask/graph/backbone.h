// Builders of the backbones: ResNet (He et al., arXiv:1512.03385) and the feature pyramid on it (FPN,
// arXiv:1612.03144). Names, layout and initialisation as detectron2 modeling/backbone/{resnet,fpn}.py.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/graph/graph_builder.h"

namespace fastermask {

// A feature map that later parts of the network read.
struct FeatureLevel2d {
  std::string name;  // "res4", "p3", ...
  int value = 0;     // in the graph under construction
  int stride = 1;    // input pixels per cell
};

// Adds the backbone that MODEL.BACKBONE.NAME and MODEL.RESNETS / MODEL.FPN describe, and returns its levels in order:
// RESNETS.OUT_FEATURES for a plain ResNet, p2 .. p6 for an FPN. Throws ConfigError for settings that contradict.
std::vector<FeatureLevel2d> build_backbone(GraphBuilder& builder, const Config& config);

// Adds a stage of bottleneck (or basic) blocks. `stage` is 2 for res2, ...; `prefix` the stage's name with a dot at the
// end.
struct StageSpec {
  int stage = 2;
  int num_blocks = 3;
  int first_stride = 1;
};
int build_resnet_stage(GraphBuilder& builder, int input, const std::string& prefix, const ModelConfig& model,
                       const StageSpec& spec);

// Blocks of res2 .. res5 for a depth of 18, 34, 50, 101 or 152. Throws ConfigError for another depth.
std::vector<int> resnet_blocks(int depth);

// What must divide the network's input sides: 32 for an FPN on res2 .. res5, else 0 (none).
int size_divisibility(const Config& config);

}  // namespace fastermask
