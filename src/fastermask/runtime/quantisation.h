// Which layers of a network are computed in integers, and how its values become 7 bits for them: what calibration
// (calibration.h) finds out and a model package stores.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "fastermask/graph/fusion.h"
#include "fastermask/graph/network.h"
#include "fastermask/kernels/integer_product.h"

namespace fastermask {

using ValueRanges = std::map<int, ActivationRange>;           // [value of a graph] those that integer layers read
using NetworkRanges = std::map<std::string, ValueRanges>;     // [graph]

struct Quantisation {
  NetworkRanges ranges;
  std::map<std::string, std::vector<float>> input_means;  // [layer] of each of its input's channels
  std::set<std::string> layers;                           // computed in integers
};

// The layers that can be computed in integers, by name: convolutions without groups, transposed convolutions and
// linear layers. Not those that read the picture, nor those that make the network's last numbers (scores, box deltas,
// masks, keypoints): they cost little and lose the most.
std::set<std::string> integer_layers(const Network& network);

}  // namespace fastermask
