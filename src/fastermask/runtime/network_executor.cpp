#include "fastermask/runtime/network_executor.h"

#include <algorithm>

#include "fastermask/base/error.h"

namespace fastermask {

TensorShape::TensorShape(std::initializer_list<std::int64_t> sides) : rank_(sides.size()) {
  FASTERMASK_CHECK(rank_ <= sides_.size(), "executor: a tensor has up to 4 sides, got {}", rank_);
  std::copy(sides.begin(), sides.end(), sides_.begin());
}

TensorShape::TensorShape(const Shape& sides) : rank_(sides.size()) {
  FASTERMASK_CHECK(rank_ <= sides_.size(), "executor: a tensor has up to 4 sides, got {}", rank_);
  std::copy(sides.begin(), sides.end(), sides_.begin());
}

const Graph& part_graph(const Network& network, NetworkPart part, int stage) {
  switch (part) {
    case NetworkPart::dense: return network.dense;
    case NetworkPart::roi_stage:
      if (network.roi_stage) return *network.roi_stage;
      break;
    case NetworkPart::box_head:
      if (stage >= 0 && static_cast<std::size_t>(stage) < network.box_heads.size()) {
        return network.box_heads[static_cast<std::size_t>(stage)];
      }
      break;
    case NetworkPart::mask_head:
      if (network.mask_head) return *network.mask_head;
      break;
    case NetworkPart::keypoint_head:
      if (network.keypoint_head) return *network.keypoint_head;
      break;
  }
  fail("executor: the network has no part {} (stage {})", static_cast<int>(part), stage);
}

}  // namespace fastermask
