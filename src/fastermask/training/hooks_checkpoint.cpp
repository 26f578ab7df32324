// The hook that saves.

#include <fmt/format.h>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/hooks.h"

namespace fastermask {
namespace {

class CheckpointHook : public TrainerHook {
 public:
  void after_step(Trainer& trainer, const StepRecord& record) override {
    if ((record.iteration + 1) % trainer.config().solver.checkpoint_period != 0) return;
    if (record.iteration + 1 == trainer.max_iteration()) return;  // model_final follows
    try {
      trainer.save(fmt::format("model_{:07}", record.iteration));
    } catch (const Error& error) {
      // A full disk may have room again later; the checkpoints there are stay as they are.
      log_error("checkpoint", "{}", error.what());
      log_error("checkpoint", "This checkpoint was not saved; training goes on and tries again at the next");
    }
  }

  void after_train(Trainer& trainer) override {
    if (trainer.next_iteration() == trainer.first_iteration()) return;  // nothing was trained
    const bool finished = trainer.finished();
    trainer.save(finished ? "model_final" : fmt::format("model_{:07}", trainer.next_iteration() - 1));
    if (finished && trainer.ema() != nullptr) {
      save_weights(join_path(trainer.config().output_dir, "model_final_ema.pth"), trainer.ema()->state());
    }
  }
};

}  // namespace

std::unique_ptr<TrainerHook> make_checkpoint_hook() { return std::make_unique<CheckpointHook>(); }

}  // namespace fastermask
