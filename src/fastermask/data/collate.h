// Puts samples together into a batch. Internal to the data layer.
#pragma once

#include <vector>

#include "fastermask/data/loader.h"

namespace fastermask {

// Pads all to one size (LoaderOptions::fixed_size, or the largest rounded up), normalises, and moves the annotations
// over. The pictures are released. Throws DataError when one does not fit into fixed_size.
Batch collate(std::vector<TrainingSample>&& samples, const LoaderOptions& options, std::int64_t iteration);

}  // namespace fastermask
