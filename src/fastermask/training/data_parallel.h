// What processes that train on parts of one batch must agree on within a step.
#pragma once

#include "fastermask/data/loader.h"
#include "fastermask/training/rcnn.h"

namespace fastermask {

// Pads the pictures to the size of the largest batch of all ranks, as one process with all the pictures would: what
// lies around a picture has its effect on the network's borders. A collective.
void pad_to_largest(Batch& batch);

// The losses of a step and their total, last, each the mean over the ranks as the reference's comm.reduce_dict has
// them. A collective.
std::vector<double> mean_losses(const StepLosses& step, double total);

// Sets the context's image numbers to this rank's part of the batch.
void place_in_batch(StepContext& context);

}  // namespace fastermask
