// The plain twins of the functions of these names in rle.h: each decodes the mask to a byte a pixel. For tests and
// benchmarks.
#pragma once

#include "fastermask/structures/mask.h"

namespace fastermask::ref {

Rle rle_flip_horizontal(const Rle& rle);
Rle rle_flip_vertical(const Rle& rle);
Rle rle_resize_nearest(const Rle& rle, ImageSize size);
Rle rle_crop(const Rle& rle, int y0, int x0, int height, int width);
Rle rle_pad(const Rle& rle, int top, int left, int height, int width);

}  // namespace fastermask::ref
