// Pixels and outlines of a bitmap mask, for drawing.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastermask/structures/mask.h"

namespace fastermask {

// Mixes `bgr` into the pixels of row y that the mask covers. `pixels` holds 4 bytes a pixel: B, G, R and one unused.
void tint_row(const BitMask& mask, int y, const std::array<std::uint8_t, 3>& bgr, double opacity, std::uint8_t* pixels);

// A closed line along pixel corners: (x, y).
using OutlinePath = std::vector<std::pair<int, int>>;

// The outlines of the mask, holes too, as closed paths with corners only where they turn.
std::vector<OutlinePath> mask_outlines(const BitMask& mask);

}  // namespace fastermask
