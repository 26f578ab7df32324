// The innermost loops over boxes, compiled once per instruction set (iou_isa.cpp); overlap_kernels() picks the copy.
// All copies give the same numbers: no fused multiply-add, no reassociation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastermask/structures/box.h"

namespace fastermask {

// Boxes column by column, so that a loop over them fills vector registers.
struct BoxColumns {
  const float* x1 = nullptr;
  const float* y1 = nullptr;
  const float* x2 = nullptr;
  const float* y2 = nullptr;
  const float* area = nullptr;
};

struct OverlapKernels {
  // out[i] = iou(box, columns[i]) for i < count.
  void (*iou_row)(const Box& box, const BoxColumns& columns, std::size_t count, float* out);

  // Where iou(gt, columns[i]) > best[i]: best[i] and index[i] become that IoU and gt_index. Returns the largest IoU
  // met. IoUs are taken to be >= 0.
  float (*match_row)(const Box& gt, std::int32_t gt_index, const BoxColumns& columns, std::size_t count, float* best,
                     std::int32_t* index);

  // Whether iou(box, columns[i]) > threshold for some i < count. `count` is a multiple of 16; padding boxes are all 0.
  bool (*any_above)(const Box& box, const BoxColumns& columns, std::size_t count, float threshold);
};

// The copy for this machine (best_isa()).
const OverlapKernels& overlap_kernels();

namespace generic {
extern const OverlapKernels kOverlapKernels;
}
namespace avx2 {
extern const OverlapKernels kOverlapKernels;
}
namespace avx512 {
extern const OverlapKernels kOverlapKernels;
}

// A growing list of boxes in columns, padded with empty boxes to a multiple of 16.
class BoxColumnList {
 public:
  void push_back(const Box& box) {
    if (count_ == capacity_) grow();
    data_[count_] = box.x1;
    data_[capacity_ + count_] = box.y1;
    data_[2 * capacity_ + count_] = box.x2;
    data_[3 * capacity_ + count_] = box.y2;
    data_[4 * capacity_ + count_] = box.area();
    ++count_;
  }
  std::size_t size() const { return count_; }
  std::size_t padded_size() const { return (count_ + 15) / 16 * 16; }
  BoxColumns columns() const {
    const float* data = data_.data();
    return {data, data + capacity_, data + 2 * capacity_, data + 3 * capacity_, data + 4 * capacity_};
  }

 private:
  void grow();

  std::vector<float> data_;  // [5][capacity]
  std::size_t count_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace fastermask
