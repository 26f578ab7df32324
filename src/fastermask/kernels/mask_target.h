// Training targets of the mask head: what an instance's mask looks like inside a box, on a small square grid.
#pragma once

#include <cstdint>

#include "fastermask/base/span.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// The instance's polygons inside `roi` (image pixels), rasterised on a size x size grid: the corner (x1, y1) moves to
// the origin, coordinates are scaled by size / max(width, 0.1) and size / max(height, 0.1), each polygon is
// rasterised by COCO's rule and the union is taken. detectron2 structures/masks.py rasterize_polygons_within_box.
//
//   out  [size, size], row by row, 0 or 1
//
// Throws DataError for a malformed polygon (see polygons_to_rle) and Error unless size >= 1 and the box is finite.
// Thread-safe; no image-sized work.
void polygon_mask_target(const Polygons& polygons, const Box& roi, int size, std::uint8_t* out);

// A bitmap inside `roi`: RoIAlign (aligned, as many samples as the box has pixels a bin) of the mask as 0.0 and 1.0,
// then >= 0.5. detectron2 structures/masks.py BitMasks.crop_and_resize. Same output and errors.
void bitmask_mask_target(const BitMask& mask, const Box& roi, int size, std::uint8_t* out);

// Either, by what the annotation gives: an Rle is decoded only where the box lies. Throws DataError for monostate.
void mask_target(const Segmentation& segmentation, const Box& roi, int size, std::uint8_t* out);

// Many at once, in parallel: target r is that of *segmentations[r] in rois[r], at out + r * size * size.
void mask_targets(Span<const Segmentation* const> segmentations, Span<const Box> rois, int size, std::uint8_t* out);

}  // namespace fastermask
