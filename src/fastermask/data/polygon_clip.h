// Cutting polygons at the edges of a rectangle. Internal to the data layer.
#pragma once

#include "fastermask/structures/mask.h"

namespace fastermask {

// The parts of a polygon inside [0, width] x [0, height]. A concave polygon may fall into several parts; each part is a
// polygon of its own (no bridges along the edge). A polygon that only touches the rectangle gives none. For polygons
// that cross themselves, inside is by parity.
Polygons clip_polygon(const Polygon& polygon, double width, double height);

}  // namespace fastermask
