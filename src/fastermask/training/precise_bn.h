// Precise statistics for batch norms: the plain mean over many batches in the place of a decaying one.
// TEST.PRECISE_BN; Rethinking "Batch" in BatchNorm (arXiv:2105.07576) section 3; fvcore's update_bn_stats.
#pragma once

#include <memory>

#include "fastermask/training/trainer.h"

namespace fastermask {

// Runs the model on `iterations` batches of the loader, without learning, and sets the running mean and variance of all
// batch norms that train to the average of the batches' own. Returns how many norms there are; 0: nothing was run.
int update_precise_bn(TrainableRcnn& model, TrainingLoader& loader, int iterations, std::uint64_t seed);

// Does so with TEST.PRECISE_BN.NUM_ITER batches every TEST.EVAL_PERIOD iterations and after the last. Add it before the
// hooks that save and evaluate.
std::unique_ptr<TrainerHook> make_precise_bn_hook();

}  // namespace fastermask
