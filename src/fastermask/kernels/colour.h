// Changing the colours of 8-bit images: blends as fvcore's BlendTransform makes them. A result is clipped to [0, 255]
// and cut (not rounded) to a whole number.
#pragma once

#include <array>

#include "fastermask/structures/image.h"

namespace fastermask {

// Every pixel p becomes weight * p + offset[channel]; 32-bit floats when `offset` is one number for all channels, as
// NumPy computes it, and 64-bit otherwise.
void scale_colours(Image& image, double weight, double offset);
void shift_colours(Image& image, const std::array<double, 3>& offset);

// Mean over all pixels and channels; 0 for an empty image.
double mean_colour(const Image& image);

// Every pixel p becomes weight * p + (1 - weight) * gray(p), gray being 0.299 R + 0.587 G + 0.114 B. `red_first`: the
// channels are R, G, B, otherwise B, G, R. Images that have not three channels stay as they are.
void saturate_colours(Image& image, double weight, bool red_first);

}  // namespace fastermask
