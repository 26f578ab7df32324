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
  if (solver.lr_scheduler_name == "WarmupPolyLR") {
    return std::max(std::pow(1 - std::min(where, 1.0), solver.poly_lr_power), solver.poly_lr_constant_ending);
  }
  fail<ConfigError>("config: SOLVER.LR_SCHEDULER_NAME: not supported: '{}'", solver.lr_scheduler_name);
}

// Half a cosine from `from` at 0 to `to` at 1.
double cosine_between(double from, double to, double done) {
  return to + (from - to) * 0.5 * (1 + std::cos(3.14159265358979323846 * done));
}

// arXiv:1708.07120 with cosine slopes, as torch.optim.lr_scheduler.OneCycleLR; it has its own warm-up.
double one_cycle_multiplier(const SolverConfig& solver, std::int64_t iteration) {
  const OneCycleConfig& cycle = solver.one_cycle;
  const double first = 1 / cycle.div_factor, last = first / cycle.final_div_factor;
  const double top = cycle.pct_start * solver.max_iter - 1, end = solver.max_iter - 1.0;
  const auto now = static_cast<double>(iteration);
  if (now <= top) return cosine_between(first, 1, top > 0 ? now / top : 1);
  return cosine_between(1, last, end > top ? std::min((now - top) / (end - top), 1.0) : 1);
}

}  // namespace

double learning_rate(const SolverConfig& solver, std::int64_t iteration) {
  if (solver.lr_scheduler_name == "OneCycleLR") return solver.base_lr * one_cycle_multiplier(solver, iteration);
  const double where = solver.max_iter > 0 ? static_cast<double>(iteration) / solver.max_iter : 0;
  const double warmup =
      solver.max_iter > 0 ? std::min(static_cast<double>(solver.warmup_iters) / solver.max_iter, 1.0) : 0;
  double multiplier = 0;
  if (where < warmup) {
    const double start = solver.warmup_factor * schedule_multiplier(solver, 0);
    const double end = schedule_multiplier(solver, solver.rescale_interval ? 0 : warmup);
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
