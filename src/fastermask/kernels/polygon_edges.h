// COCO's rule of rasterising a polygon, as a list of places where inside and outside change. See polygons_to_rle
// (rle.h).
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/span.h"

namespace fastermask {

// Appends to `boundaries` the positions (x * height + y along the columns, up to height * width) at which the mask of
// the polygon (x0, y0, x1, y1, ...) changes, in no order; positions that occur twice cancel out. Work is proportional
// to the columns that edges cross, not to their length. Coordinates may be anything finite below 1e12 in size.
void append_polygon_boundaries(Span<const double> polygon, int height, int width,
                               std::vector<std::uint32_t>& boundaries);

}  // namespace fastermask
