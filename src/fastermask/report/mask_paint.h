// Paints a mask's fill and outline into a picture of four bytes a pixel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fastermask/structures/mask.h"

namespace fastermask {

// Where to paint: BGRX pixels, rows `stride` bytes apart, of the mask's height and width.
struct PixelCanvas {
  std::uint8_t* pixels = nullptr;
  std::size_t stride = 0;
};

// Blends `colour` (BGR) over the mask's pixels with `opacity`, and an antialiased line of `line_width` pixels along its
// edge. Edges at the picture's border get no line. Pixels further than line_width from the mask stay as they are.
// Throws DataError for a mask whose runs do not add up (check_rle). Cost: the mask's own extent, not the picture's.
void paint_mask(const PixelCanvas& canvas, const Rle& mask, const std::array<std::uint8_t, 3>& colour, double opacity,
                double line_width);

}  // namespace fastermask
