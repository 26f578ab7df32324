// Pasting: a detection's small soft mask, put back into its box in the full image.
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// The mask of one detection in an image of the given size: pixel centre (x + 0.5, y + 0.5), in the box's own frame,
// samples the soft mask bilinearly (zeros outside, corners not aligned); the pixel is set where the value is >=
// threshold. Only the box and one pixel around it are computed; the rest is 0. float32 in detectron2's order of
// operations. detectron2 layers/mask_ops.py paste_masks_in_image, CPU.
//
//   soft  [mask_size, mask_size] probabilities inside the box
//   box   in the pixels of `image`
//
// A box that is not finite or lies outside gives an empty mask. Throws Error unless mask_size >= 1 and the size is
// positive. Thread-safe.
BitMask paste_mask(const float* soft, int mask_size, const Box& box, ImageSize image, float threshold = 0.5f);

// The same as runs, without a bitmap of the image: equal to rle_encode(paste_mask(...)).
Rle paste_mask_to_rle(const float* soft, int mask_size, const Box& box, ImageSize image, float threshold = 0.5f);

// Many at once, in parallel.
std::vector<Rle> paste_masks_to_rle(Span<const std::vector<float>> soft_masks, int mask_size, Span<const Box> boxes,
                                    ImageSize image, float threshold = 0.5f);

// The soft values themselves, scaled to 0 .. 255 and cut off to integers, for drawing. One-channel image of the whole
// size.
Image paste_soft_mask(const float* soft, int mask_size, const Box& box, ImageSize image);

}  // namespace fastermask
