// How well a config's anchors fit a data set's boxes, as `data stats` tells it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/dataset.h"

namespace fastermask::cli {

struct AnchorStatistics {
  // Boxes of one range of sizes in the network's input: COCO's, by the area of the box.
  struct Group {
    std::string name;  // all, small, medium, large
    std::int64_t boxes = 0;
    double mean_best_iou = 0;
    std::vector<double> shares;  // [thresholds] of boxes whose best anchor reaches it
  };

  std::string anchors;               // in words: levels with their sizes, and aspect ratios
  std::vector<double> thresholds;    // 0.3, 0.35, ..., 0.95
  std::vector<Group> groups;         // all, small, medium, large
  double positive = 0.7;             // IoU from which on an anchor is an object to the RPN
  std::vector<double> class_shares;  // [C] of boxes whose best anchor reaches `positive`; -1 for a class without boxes
};

// Boxes as training sees them: each image once, resized (and otherwise augmented) as the config says, by draws that
// depend on the image id alone. Nothing for configs without an RPN. Throws ConfigError for a config that makes no
// model.
std::optional<AnchorStatistics> compute_anchor_statistics(const Dataset& dataset, const Config& config);

}  // namespace fastermask::cli
