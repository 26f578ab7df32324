// COCO's rule of rasterising a polygon, as a list of places where inside and outside change. See polygons_to_rle
// (rle.h).
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/span.h"

namespace fastermask {

// Fills `positions` with the places (x * height + y along the columns, up to height * width) at which the mask of the
// polygon (x0, y0, x1, y1, ...) changes, rising; one that occurs twice cancels out. Work is proportional to the columns
// that edges cross, not to their length. Coordinates may be anything finite below 1e12 in size.
void find_polygon_boundaries(Span<const double> polygon, int height, int width, std::vector<std::uint32_t>& positions);

}  // namespace fastermask
