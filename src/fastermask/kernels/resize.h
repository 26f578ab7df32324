// Resizing and mirroring 8-bit images.
#pragma once

#include "fastermask/structures/image.h"

namespace fastermask {

// Pillow's BILINEAR, bit for bit: a triangle filter that widens when shrinking (so it does not alias), first along
// rows, then along columns, in fixed point, rounded to 8 bits after each. Pillow src/libImaging/Resample.c. Any
// channel count from 1 to 4. Throws Error for an empty source or a size below 1. Parallel (inline in loader threads).
// Thread-safe.
Image resize_bilinear(const Image& source, ImageSize size);

// The part [x0, x0 + part.width) x [y0, y0 + part.height) of resize_bilinear(source, size), without making the rest.
// Throws Error also when the part is empty or does not lie in `size`.
Image resize_bilinear_part(const Image& source, ImageSize size, int y0, int x0, ImageSize part);

// resize_bilinear_part(source, size, y0, x0, part) with left and right exchanged afterwards, at no cost of its own
// where the width changes.
Image resize_bilinear_mirrored(const Image& source, ImageSize size, int y0, int x0, ImageSize part);

// A copy of that part of an image, in which it must lie (Error otherwise).
Image crop_image(const Image& image, int y0, int x0, ImageSize part);

// The size to which ResizeShortestEdge brings an image: the shorter side becomes min_size, unless the longer one would
// exceed max_size, which then decides. Double arithmetic in detectron2's order; int(x + 0.5) at the end. min_size 0:
// the size as it is. Throws Error unless the size is positive and min_size >= 0, max_size >= 1. detectron2
// data/transforms/augmentation_impl.py ResizeShortestEdge.get_output_shape.
ImageSize resize_shortest_edge_size(ImageSize size, int min_size, int max_size);

// Mirror in place: left to right, top to bottom.
void flip_horizontal(Image& image);
void flip_vertical(Image& image);

}  // namespace fastermask
