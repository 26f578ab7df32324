// Pictures in memory as a network's input: resized to MIN_SIZE_TEST / MAX_SIZE_TEST, normalised, padded.
#pragma once

#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/config/config.h"
#include "fastermask/data/loader.h"
#include "fastermask/structures/image.h"

namespace fastermask {

// A batch of the given pictures, which are in INPUT.FORMAT's channel order, as InferenceLoader would make it from
// files.
Batch make_input_batch(Span<const Image> images, const Config& config, int size_divisibility);

}  // namespace fastermask
