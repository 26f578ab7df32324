// SOLVER.REFERENCE_WORLD_SIZE: a config written for some number of processes, run with another.
#pragma once

#include "fastermask/config/config.h"

namespace fastermask {

// The config for `world_size` processes: with s = world_size / REFERENCE_WORLD_SIZE, batch size and learning rate times
// s; MAX_ITER, WARMUP_ITERS, STEPS, EVAL_PERIOD and CHECKPOINT_PERIOD divided by s and rounded; REFERENCE_WORLD_SIZE
// becomes world_size. Unchanged when that is 0 or world_size already. Logs what it did. Throws ConfigError unless
// REFERENCE_WORLD_SIZE divides IMS_PER_BATCH. detectron2 engine/defaults.py DefaultTrainer.auto_scale_workers.
Config scale_for_world_size(const Config& config, int world_size);

}  // namespace fastermask
