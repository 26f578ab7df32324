#include "fastermask/kernels/matching.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <mutex>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/iou_isa.h"

namespace fastermask {
namespace {

// Anchors go through in blocks that stay in the first-level cache while all ground truths pass over them. Neighbours in
// the list are neighbours in the picture, so that most ground truths miss most blocks altogether.
constexpr std::size_t kMatchingBlock = 512;

struct AnchorBlock {
  alignas(64) std::array<float, kMatchingBlock> x1, y1, x2, y2, area;
  std::size_t begin = 0;
  std::size_t count = 0;
  Box hull;

  AnchorBlock(Span<const Box> anchors, std::size_t block)
      : begin(block * kMatchingBlock), count(std::min(kMatchingBlock, anchors.size() - begin)) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    hull = {kInfinity, kInfinity, -kInfinity, -kInfinity};
    const Box* boxes = anchors.data() + begin;
    for (std::size_t i = 0; i < count; ++i) {
      const Box& box = boxes[i];
      x1[i] = box.x1;
      y1[i] = box.y1;
      x2[i] = box.x2;
      y2[i] = box.y2;
      area[i] = box.area();
      hull = {std::min(hull.x1, box.x1), std::min(hull.y1, box.y1), std::max(hull.x2, box.x2),
              std::max(hull.y2, box.y2)};
    }
  }

  BoxColumns columns() const { return {x1.data(), y1.data(), x2.data(), y2.data(), area.data()}; }
  bool misses(const Box& box) const {
    return box.x2 <= hull.x1 || box.x1 >= hull.x2 || box.y2 <= hull.y1 || box.y1 >= hull.y2;
  }
};

void for_each_block(Span<const Box> anchors, const std::function<void(std::size_t, std::size_t)>& body) {
  const std::size_t blocks = (anchors.size() + kMatchingBlock - 1) / kMatchingBlock;
  parallel_for(0, static_cast<std::int64_t>(blocks), 8, [&body](std::int64_t begin, std::int64_t end) {
    body(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
  });
}

}  // namespace

BestOverlaps best_overlaps(Span<const Box> gt_boxes, Span<const Box> anchors) {
  static_assert(sizeof(int) == sizeof(std::int32_t), "the kernels write indices as int32");
  BestOverlaps result;
  result.gt_index.assign(anchors.size(), 0);
  result.iou.assign(anchors.size(), 0.0f);
  result.best_iou_of_gt.assign(gt_boxes.size(), 0.0f);
  const OverlapKernels& kernels = overlap_kernels();
  std::mutex mutex;
  for_each_block(anchors, [&](std::size_t first, std::size_t last) {
    std::vector<float> best_of_gt(gt_boxes.size(), 0.0f);
    for (std::size_t index = first; index < last; ++index) {
      const AnchorBlock block(anchors, index);
      for (std::size_t g = 0; g < gt_boxes.size(); ++g) {
        if (block.misses(gt_boxes[g])) continue;
        const float best = kernels.match_row(gt_boxes[g], static_cast<std::int32_t>(g), block.columns(), block.count,
                                             result.iou.data() + block.begin, result.gt_index.data() + block.begin);
        best_of_gt[g] = std::max(best_of_gt[g], best);
      }
    }
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::size_t g = 0; g < best_of_gt.size(); ++g) {
      result.best_iou_of_gt[g] = std::max(result.best_iou_of_gt[g], best_of_gt[g]);
    }
  });
  return result;
}

void mark_best_anchors(Span<const Box> gt_boxes, Span<const Box> anchors, const BestOverlaps& overlaps,
                       bool skip_unmatched, Span<std::uint8_t> marks) {
  FASTERMASK_CHECK(marks.size() == anchors.size() && overlaps.iou.size() == anchors.size() &&
                       overlaps.best_iou_of_gt.size() == gt_boxes.size(),
                   "mark_best_anchors: {} marks and overlaps of {} anchors and {} ground truths do not fit {} anchors "
                   "and {} ground truths",
                   marks.size(), overlaps.iou.size(), overlaps.best_iou_of_gt.size(), anchors.size(), gt_boxes.size());
  const OverlapKernels& kernels = overlap_kernels();
  for_each_block(anchors, [&](std::size_t first, std::size_t last) {
    std::array<float, kMatchingBlock> row;
    for (std::size_t index = first; index < last; ++index) {
      const AnchorBlock block(anchors, index);
      const float* block_iou = overlaps.iou.data() + block.begin;
      const float block_best = *std::max_element(block_iou, block_iou + block.count);
      std::uint8_t* block_marks = marks.data() + block.begin;
      for (std::size_t g = 0; g < gt_boxes.size(); ++g) {
        const float best = overlaps.best_iou_of_gt[g];
        if (best > block_best || (best == 0 && skip_unmatched)) continue;
        if (best > 0 && block.misses(gt_boxes[g])) continue;
        kernels.iou_row(gt_boxes[g], block.columns(), block.count, row.data());
        for (std::size_t i = 0; i < block.count; ++i) {
          if (row[i] == best) block_marks[i] = 1;
        }
      }
    }
  });
}

}  // namespace fastermask
