#include "fastermask/training/auto_scale.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"

namespace fastermask {

Config scale_for_world_size(const Config& config, int world_size) {
  const int reference = config.solver.reference_world_size;
  if (reference == 0 || reference == world_size) return config;
  if (config.solver.ims_per_batch % reference != 0) {
    fail<ConfigError>("config: SOLVER.IMS_PER_BATCH must be a multiple of SOLVER.REFERENCE_WORLD_SIZE, {}, got {}",
                      reference, config.solver.ims_per_batch);
  }
  const double scale = static_cast<double>(world_size) / reference;
  // nearbyint rounds halves to even, as Python's round() does.
  const auto divided = [scale](int iterations) { return static_cast<int>(std::nearbyint(iterations / scale)); };
  Config scaled = config;
  SolverConfig& solver = scaled.solver;
  solver.ims_per_batch = static_cast<int>(std::nearbyint(solver.ims_per_batch * scale));
  solver.base_lr *= scale;
  solver.max_iter = divided(solver.max_iter);
  solver.warmup_iters = divided(solver.warmup_iters);
  for (int& step : solver.steps) step = divided(step);
  solver.checkpoint_period = std::max(1, divided(solver.checkpoint_period));
  scaled.test.eval_period = divided(scaled.test.eval_period);
  solver.reference_world_size = world_size;
  log_info("engine.defaults", "Auto-scaling the config to batch_size={}, learning_rate={}, max_iter={}, warmup={}.",
           solver.ims_per_batch, solver.base_lr, solver.max_iter, solver.warmup_iters);
  return scaled;
}

}  // namespace fastermask
