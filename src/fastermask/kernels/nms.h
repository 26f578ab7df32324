// Non-maximum suppression of axis-aligned boxes.
//   N boxes   C classes (or pyramid levels)
#pragma once

#include <limits>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

constexpr int kKeepAll = std::numeric_limits<int>::max();

// Greedy suppression: goes through the boxes by falling score and keeps each whose IoU with every kept one is at most
// `iou_threshold`.
//
//   boxes    [N] finite
//   scores   [N]; equal scores keep their index order; NaN comes first, as torch.sort has it
//   returns  indices of the kept boxes, by falling score; at most `max_keep`, the search ending when they are found
//
// IoUs are float32 and compared with the double threshold, as torchvision::nms (0.14) on the CPU does: same indices.
// Throws Error unless the lengths agree. Thread-safe, deterministic.
std::vector<int> nms(Span<const Box> boxes, Span<const float> scores, double iou_threshold, int max_keep = kKeepAll);

// NMS within each class: boxes of different classes do not suppress one another.
//
//   classes  [N], any integers >= 0
//   returns  as nms()
//
// Follows torchvision.ops.batched_nms (0.14.1): up to 1000 boxes are moved apart by class x (largest coordinate + 1) in
// float32 and go through one nms(), which rounds their IoUs a little; more are treated class by class, exactly.
std::vector<int> batched_nms(Span<const Box> boxes, Span<const float> scores, Span<const int> classes,
                             double iou_threshold, int max_keep = kKeepAll);

// The indices 0 .. N-1 by falling score, equal scores in index order, NaN first; only the first `count` of them.
// Partial selection: O(N + count log count).
std::vector<int> top_scores(Span<const float> scores, int count = kKeepAll);

}  // namespace fastermask
