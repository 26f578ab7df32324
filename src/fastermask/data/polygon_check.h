// Whether a polygon crosses itself. Internal to the data layer.
#pragma once

#include "fastermask/structures/mask.h"

namespace fastermask {

// True when two edges that are not neighbours cross in one point inside both. Touching does not count.
bool crosses_itself(const Polygon& polygon);

}  // namespace fastermask
