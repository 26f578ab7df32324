// Run-length encoded masks, as COCO has them: encode, decode, measure, merge, compare, and their compact text form.
// Counts run down the columns (y fastest) and begin with a run of 0. Results equal pycocotools' (cocoapi
// common/maskApi.c) run for run and byte for byte. All functions are thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "fastermask/base/span.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// A bitmap (0 or not 0) as runs, and back. Decoding throws DataError unless the counts add up to height * width.
Rle rle_encode(const BitMask& mask);
BitMask rle_decode(const Rle& rle);

// Number of pixels set.
std::uint64_t rle_area(const Rle& rle);

// Smallest box around the pixels set, (x, y, width, height) in pixels; four zeros when none is set. When a run of ones
// goes on into the next column the box takes the full height, as pycocotools has it.
std::array<double, 4> rle_to_xywh(const Rle& rle);

// Union of masks (intersection when asked) of one size. No masks give an empty 0 x 0 mask; throws DataError when the
// sizes differ.
Rle rle_merge(Span<const Rle> masks, bool intersect = false);

// The pixels of `mask` that are not in `other`. Throws DataError when the sizes differ.
Rle rle_subtract(const Rle& mask, const Rle& other);

// Intersection over union; over the detection's own area when the truth is a crowd. 0 when they do not overlap. Throws
// DataError when the sizes differ.
double rle_iou(const Rle& detection, const Rle& truth, bool truth_is_crowd);

// COCO's compressed "counts" string: each count (from the fourth on, its difference from the one two before) in
// groups of 5 bits, low first, as characters from '0' on.
std::string rle_to_string(const Rle& rle);

// The mask of such a string. Throws DataError for a character outside the alphabet, a number cut off or too large, a
// negative count, or counts that do not add up to height * width.
Rle rle_from_string(std::string_view text, int height, int width);

// Throws DataError unless the sizes are not negative and the counts add up to height * width; `where` opens the
// message.
void check_rle(const Rle& rle, std::string_view where);

// Union of the polygons of one instance, rasterised by COCO's rule: each edge is walked on a grid five times finer, a
// column's boundary lies where the walk crosses the column's centre, and the pixels between boundaries are set by
// parity. Parts outside the image are cut off. Throws DataError for a polygon with an odd count of numbers, fewer
// than three points, or a number that is not finite (or beyond 1e6 in absolute value).
Rle polygons_to_rle(const Polygons& polygons, int height, int width);

// One polygon of that. `values` holds x0, y0, x1, y1, ...
Rle polygon_to_rle(Span<const double> values, int height, int width);

// A box (x, y, width, height) as the polygon of its corners, as pycocotools makes it.
Rle box_to_rle(const std::array<double, 4>& xywh, int height, int width);

// The mask mirrored left to right, or top to bottom.
Rle rle_flip_horizontal(const Rle& rle);
Rle rle_flip_vertical(const Rle& rle);

// The mask resized by nearest neighbour as detectron2 does it (Pillow's NEAREST: output pixel x takes input pixel
// floor((x + 0.5) * in / out)).
Rle rle_resize_nearest(const Rle& rle, ImageSize size);

// The set pixels that are at most `distance` pixels (along rows, columns or both) from one that is not set, or from
// outside the image: what is left when the mask is eroded by a square of 2 distance + 1 and taken from itself. As
// Boundary IoU has it (arXiv:2103.16562), whose distance is `ratio` of the image's diagonal, rounded, at least 1.
Rle rle_boundary(const Rle& rle, int distance);
int boundary_distance(int height, int width, double ratio = 0.02);

// The part of the mask inside [x0, x0 + width) x [y0, y0 + height), which must lie in the mask (Error otherwise).
Rle rle_crop(const Rle& rle, int y0, int x0, int height, int width);

// The mask placed at row `top`, column `left` of a larger, otherwise empty one of height x width, in which it must fit
// (Error otherwise).
Rle rle_pad(const Rle& rle, int top, int left, int height, int width);

}  // namespace fastermask
