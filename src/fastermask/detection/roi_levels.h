// Which pyramid level a box's features come from. FPN (arXiv:1612.03144) eq. 1; detectron2 poolers.py
// assign_boxes_to_levels.
#pragma once

#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

struct RoiLevelParams {
  int min_level = 2;                // log2 of the finest feature map's stride
  int max_level = 5;                // log2 of the coarsest's
  double canonical_box_size = 224;  // a box of this side (square root of its area) ...
  int canonical_level = 4;          // ... lies on this level
};

// [R] boxes -> [R] indices counted from min_level:
// floor(canonical_level + log2(sqrt(area) / canonical_box_size + 1e-8)), limited to the levels, less min_level.
// float32 throughout, as the reference.
// Throws Error unless min_level <= max_level.
std::vector<int> assign_boxes_to_levels(Span<const Box> boxes, const RoiLevelParams& params);

}  // namespace fastermask
