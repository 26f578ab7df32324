// What runs a network's dense parts. The detector around it does not know whether that is LibTorch or oneDNN.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// A shape of up to four sides that needs no memory of its own.
class TensorShape {
 public:
  TensorShape() = default;
  TensorShape(std::initializer_list<std::int64_t> sides);
  TensorShape(const Shape& sides);  // implicit, as NDArrays have these
  operator Shape() const { return {begin(), end()}; }

  std::size_t size() const { return rank_; }
  std::int64_t& operator[](std::size_t i) { return sides_[i]; }
  const std::int64_t& operator[](std::size_t i) const { return sides_[i]; }
  const std::int64_t* begin() const { return sides_.data(); }
  const std::int64_t* end() const { return sides_.data() + rank_; }
  bool operator==(const TensorShape& other) const { return rank_ == other.rank_ && sides_ == other.sides_; }

 private:
  std::array<std::int64_t, 4> sides_{};  // 0 beyond rank_
  std::size_t rank_ = 0;
};

// A float32 value in host memory: [N, H, W, C] (channels last) or [R, C]. `owner` keeps the memory alive; null when
// somebody else does.
struct HostTensor {
  TensorShape shape;
  const float* data = nullptr;
  std::shared_ptr<void> owner;

  std::int64_t size() const {
    std::int64_t count = 1;
    for (const std::int64_t side : shape) count *= side;
    return count;
  }
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
  //   outputs  becomes the graph's outputs, in their order
  virtual void run(NetworkPart part, int stage, const HostTensor& input, std::vector<HostTensor>& outputs) = 0;

  std::vector<HostTensor> run(NetworkPart part, int stage, const HostTensor& input) {
    std::vector<HostTensor> outputs;
    run(part, stage, input, outputs);
    return outputs;
  }
};

// The graph of a part. Throws Error when the network has none.
const Graph& part_graph(const Network& network, NetworkPart part, int stage);

}  // namespace fastermask
