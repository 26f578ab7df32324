#include "fastermask/training/schedule.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// The schedule without warm-up, as a multiple of BASE_LR; `where` is the share of MAX_ITER done, in [0, 1].
double schedule_multiplier(const SolverConfig& solver, double where) {
  if (solver.lr_scheduler_name == "WarmupMultiStepLR") {
    // Compared in iterations: a share of MAX_ITER that went through a division may fall just short of its step.
    const double iteration = std::floor(where * solver.max_iter + 1e-6);
    int passed = 0;
    for (const int step : solver.steps) passed += step <= solver.max_iter && static_cast<double>(step) <= iteration;
    return std::pow(solver.gamma, passed);
  }
  if (solver.lr_scheduler_name == "WarmupCosineLR") {
    const double end = solver.base_lr > 0 ? solver.base_lr_end / solver.base_lr : 0;
    return end + 0.5 * (1 - end) * (1 + std::cos(3.14159265358979323846 * where));
  }
  if (solver.lr_scheduler_name == "WarmupStepWithFixedGammaLR") {
    // The whole interval in NUM_DECAYS + 1 equal parts, each GAMMA times the one before.
    const int part = static_cast<int>(std::floor(where * (solver.num_decays + 1) + 1e-9));
    return std::pow(solver.gamma, std::min(part, solver.num_decays));
  }
  fail<ConfigError>("config: SOLVER.LR_SCHEDULER_NAME: not supported: '{}'", solver.lr_scheduler_name);
}

}  // namespace

double learning_rate(const SolverConfig& solver, std::int64_t iteration) {
  const double where = solver.max_iter > 0 ? static_cast<double>(iteration) / solver.max_iter : 0;
  // May be more than 1: a run shorter than its warm-up stays on the slope of the full one.
  const double warmup = solver.max_iter > 0 ? static_cast<double>(solver.warmup_iters) / solver.max_iter : 0;
  double multiplier = 0;
  if (where < warmup) {
    const double start = solver.warmup_factor * schedule_multiplier(solver, 0);
    const double end = schedule_multiplier(solver, solver.rescale_interval ? 0 : (warmup <= 1 ? warmup : where));
    const double done = where / warmup;
    multiplier = solver.warmup_method == "constant" ? start : end * done + start * (1 - done);
  } else if (solver.rescale_interval && warmup < 1) {
    multiplier = schedule_multiplier(solver, (where - warmup) / (1 - warmup));
  } else {
    multiplier = schedule_multiplier(solver, where);
  }
  return solver.base_lr * multiplier;
}

}  // namespace fastermask
