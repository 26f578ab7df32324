// Geometry of polygons as lists of coordinates: bounds, area, checks. (Rasterising: rle.h and mask_target.h.)
#pragma once

#include <cstdint>
#include <string_view>

#include "fastermask/base/span.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// Throws DataError unless the polygon has an even count of numbers, at least three points, and only finite coordinates
// within +-1e6; `where` opens the message.
void check_polygon(Span<const double> polygon, std::string_view where);

// Smallest box around all points; all zeros when there are none. detectron2 PolygonMasks.get_bounding_boxes.
Box polygons_bounding_box(const Polygons& polygons);

// Sum of the polygons' areas by the shoelace formula, in square pixels. detectron2 PolygonMasks.area.
double polygons_area(const Polygons& polygons);

// Sets the pixels of one polygon in a bitmap that is stored column by column, by COCO's rule (see polygons_to_rle):
// columns[x * height + y] becomes 1. Pixels outside the polygon are left as they are. The polygon is not checked.
// For small grids: polygons_to_rle makes no bitmap.
void fill_polygon_columns(Span<const double> polygon, int height, int width, std::uint8_t* columns);

}  // namespace fastermask
