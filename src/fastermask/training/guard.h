// When a training step gives values that are not finite: which came first, and the step in a file, to be run again.
#pragma once

#include <cstdint>
#include <string>

#include "fastermask/training/rcnn.h"

namespace fastermask {

// A step that went wrong, or is to be looked at: everything it depends on besides the config and the weights.
struct RecordedStep {
  Batch batch;
  std::int64_t iteration = 0;  // StepContext::iteration
  std::uint64_t seed = 0;
};

// Computes the step's losses and gradients once more and names the first tensor that is not finite, in the order in
// which a step computes them: batch, parameters, outputs of layers, losses, gradients. "" when all are.
// Leaves the gradients of that step behind.
std::string find_non_finite(TrainableRcnn& model, const RecordedStep& step);

// Writes config, weights and batch so that replay_step() can run the step again on any machine, without the data set.
void save_replay(const std::string& path, const TrainableRcnn& model, const RecordedStep& step);

// Runs a step that save_replay() wrote; logs its pictures, losses and largest gradients, and what is not finite. True
// when all values are finite. Throws WeightsError for a file that is damaged or something else.
bool replay_step(const std::string& path);

}  // namespace fastermask
