// `fastermask train --dump-step`: one training step without chance, its intermediates written to a file, so that anyone
// can compare a model with another implementation.
#pragma once

#include <string>

#include "fastermask/config/config.h"
#include "fastermask/detection/sampler.h"

namespace fastermask {

struct DumpStepOptions {
  std::string path;                                          // .npz to write
  int steps = 1;                                             // > 1: goes on for this many SGD steps
  SamplingStrategy sampling = SamplingStrategy::random;      // first_k: no random choice of anchors and proposals
  std::string device = "cpu";                                // LibTorch's name of where to compute
};

// Runs the step on the first SOLVER.IMS_PER_BATCH pictures of DATASETS.TRAIN in id order, unflipped, at the first of
// INPUT.MIN_SIZE_TRAIN, in float32, and writes: each feature level and "rpn.logits.<level>", "rpn.deltas.<level>"
// [N, C, H, W], "loss.<name>" (scalars), "loss.total", "grad.<parameter>", "metric.<name>". With steps > 1 also
// "losses.<name>" [steps] and "losses.total" of every step on the same pictures, each followed by an SGD update; and
// "statistic.<name>", the norms' running means and variances after the last step. With several processes
// (distributed::start), rank r of W takes pictures r, r + W, ...; losses and gradients are those of all, features and
// metrics those of rank 0, which writes the file.
void dump_training_step(const Config& config, const DumpStepOptions& options);

}  // namespace fastermask
