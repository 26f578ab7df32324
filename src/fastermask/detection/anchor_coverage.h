// How well anchors can fit given boxes, without listing the anchors.
#pragma once

#include "fastermask/base/span.h"
#include "fastermask/detection/anchors.h"

namespace fastermask {

// The largest IoU of `box` with any anchor of feature maps of these sizes: equal to the largest over all of
// anchors.grid_anchors(grid_sizes), but in a few steps, as of anchors of one shape the one whose centre is nearest to
// the box's along each axis fits best. 0 when nothing overlaps. Throws Error when there are not as many sizes as
// levels.
float best_anchor_iou(const AnchorGenerator& anchors, Span<const ImageSize> grid_sizes, const Box& box);

// The feature maps of an input of this size, one a level: every stride's share, rounded up.
std::vector<ImageSize> anchor_grid_sizes(const AnchorGenerator& anchors, ImageSize input);

}  // namespace fastermask
