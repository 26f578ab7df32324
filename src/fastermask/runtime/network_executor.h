// What runs a network's dense parts. The detector around it does not know whether that is LibTorch or oneDNN.
#pragma once

#include <memory>
#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// A float32 value in host memory: [N, H, W, C] (channels last) or [R, C]. `owner` keeps the memory alive; null when
// somebody else does.
struct HostTensor {
  Shape shape;
  const float* data = nullptr;
  std::shared_ptr<void> owner;

  std::int64_t size() const { return element_count(shape); }
};

enum class NetworkPart { dense, roi_stage, box_head, mask_head, keypoint_head };

class NetworkExecutor {
 public:
  NetworkExecutor() = default;
  virtual ~NetworkExecutor() = default;
  NetworkExecutor(const NetworkExecutor&) = delete;
  NetworkExecutor& operator=(const NetworkExecutor&) = delete;

  virtual const Network& network() const = 0;

  // Runs one graph of the network in inference mode; `stage` is the cascade stage of a box head, else 0.
  //   input    dense: [N, H, W, 3], sides multiples of the network's size divisibility; others: [R, P, P, C], R >= 1
  //   returns  the graph's outputs, in their order
  virtual std::vector<HostTensor> run(NetworkPart part, int stage, const HostTensor& input) = 0;
};

// The graph of a part. Throws Error when the network has none.
const Graph& part_graph(const Network& network, NetworkPart part, int stage);

}  // namespace fastermask
