// Outlines of bitmaps: polygons along the edges of the pixels. Internal to the data layer.
#pragma once

#include "fastermask/structures/mask.h"

namespace fastermask {

// Polygons that, rasterised by COCO's rule and united, set exactly the pixels of `mask`. Polygons cannot have holes, so
// a part with holes is cut into pieces at a column through each hole. An empty mask gives no polygons.
Polygons mask_outlines(const BitMask& mask);

}  // namespace fastermask
