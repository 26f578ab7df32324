// Learning-rate schedules as functions of the iteration. detectron2 solver/build.py build_lr_scheduler and fvcore's
// parameter schedulers.
#pragma once

#include <cstdint>

#include "fastermask/config/config.h"

namespace fastermask {

// The learning rate of a 0-based iteration, before a parameter's own factor (BIAS_LR_FACTOR):
// WarmupMultiStepLR (BASE_LR times GAMMA for each of STEPS passed), WarmupCosineLR, WarmupStepWithFixedGammaLR. The
// warm-up goes from WARMUP_FACTOR of the first value to the value the schedule has at its end (linear), or stays there
// (constant).
double learning_rate(const SolverConfig& solver, std::int64_t iteration);

}  // namespace fastermask
