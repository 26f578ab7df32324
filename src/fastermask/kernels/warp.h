// Affine maps of images and masks, as OpenCV's warpAffine makes them: rotations.
#pragma once

#include <array>

#include "fastermask/structures/image.h"
#include "fastermask/structures/mask.h"

namespace fastermask {

// The map (x, y) -> (a x + b y + c, d x + e y + f), with {a, b, c, d, e, f}.
using AffineMap = std::array<double, 6>;

// The image moved by `map`, which takes places of the source (a pixel's place is its index) to places of the result.
// Bilinear between the four source pixels around a place, which is rounded to 1/32 pixel, in fixed point; beyond the
// source, 0. Equal bit for bit to warpAffine(..., INTER_LINEAR, BORDER_CONSTANT) of OpenCV 4.6
// (modules/imgproc/src/imgwarp.cpp). Sizes must be positive and under 32768 (Error otherwise). Parallel. Thread-safe.
Image warp_affine(const Image& source, const AffineMap& map, ImageSize size);

// The same for a mask, each pixel taken from the nearest one: INTER_NEAREST. Works on the mask's own box alone.
Rle warp_affine_nearest(const Rle& mask, const AffineMap& map, ImageSize size);

}  // namespace fastermask
