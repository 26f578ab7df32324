#include "fastermask/training/run.h"

#include "fastermask/training/trainer.h"

namespace fastermask {

int run_training(const Config& config, const TrainingRunOptions& options) {
  Trainer trainer(config, options.resume);
  trainer.train();
  return 0;
}

}  // namespace fastermask
