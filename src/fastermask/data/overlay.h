// Annotations painted over a picture, for looking at data sets: masks tinted, boxes outlined, keypoints dotted, a colour
// a class. Without text: report/draw.h has labels.
#pragma once

#include <array>
#include <cstdint>

#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

// The colour of a class, BGR; classes near each other in number look different.
std::array<std::uint8_t, 3> class_colour(int category);

// Paints the instances over `image` (BGR). Coordinates beyond the picture are cut off.
void paint_annotations(Image& image, const GroundTruth& instances);

}  // namespace fastermask
