// IoU of every box of one list with every box of another.
#pragma once

#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// The matrix of intersections over union.
//
//   a        [A] boxes
//   b        [B] boxes
//   returns  [A, B] float32, row-major; 0 where the boxes do not overlap
//
// Each value equals iou(a[i], b[j]) of structures/box.h bit for bit. Multi-threaded over B.
// detectron2 structures/boxes.py pairwise_iou.
std::vector<float> pairwise_iou(Span<const Box> a, Span<const Box> b);

// The same into memory of the caller; throws Error unless `out` has A * B elements.
void pairwise_iou(Span<const Box> a, Span<const Box> b, Span<float> out);

}  // namespace fastermask
