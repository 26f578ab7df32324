// Loads a set whose JSON has some faults (an unknown category, ids used twice, an RLE of a wrong size, ...): what
// cannot be used is left out and logged, so that one bad annotation does not end a training. Internal to the data
// layer: catalog.h calls it.
#pragma once

#include "fastermask/data/catalog.h"

namespace fastermask {

// load_coco, with an index of large files and with masks in PNG files read. When that fails and `max_bad_share` is
// above 0, what `data check` calls an error in the JSON is left out (ids used twice are replaced), each with a warning
// that names it, and the rest is loaded. Pictures are not looked at: the loader does that. Throws DataError when the
// JSON is broken as a whole, or when more than `max_bad_share` of the images or of the annotations cannot be used.
Dataset load_usable_annotations(const DatasetLocation& location, double max_bad_share);

}  // namespace fastermask
