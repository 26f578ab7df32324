// What a network weighs: parameters, multiply-adds, activations. For `fastermask info model`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/structures/box.h"

namespace fastermask {

struct GraphSummary {
  std::string name;
  std::int64_t parameters = 0;        // elements; buffers (running statistics, all of FrozenBN) not counted
  std::int64_t trainable = 0;         // of them
  std::int64_t flops = 0;             // 2 * multiply-adds of convolutions and linear layers, for the given inputs
  std::int64_t activation_bytes = 0;  // float32 bytes of all values
};

struct NetworkSummary {
  std::vector<GraphSummary> graphs;
  std::int64_t parameters = 0;
  std::int64_t trainable = 0;
  std::int64_t flops = 0;
};

// For one image of `image_size` pixels (rounded up to the size divisibility), `num_proposals` regions through the box
// heads and `num_detections` through the mask and keypoint heads.
NetworkSummary summarise(const Network& network, ImageSize image_size, int num_proposals, int num_detections);

// Multiply-adds (times 2) of one layer from its input's and to its output's shape, [N, C, H, W] or [R, C].
std::int64_t layer_flops(const Layer& layer, const Shape& in, const Shape& out);

// The same of one graph for one input shape.
std::int64_t count_flops(const Graph& graph, const Shape& input_shape);

}  // namespace fastermask
