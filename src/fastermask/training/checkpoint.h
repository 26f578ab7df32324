// Weights and training checkpoints of a model: detectron2's files and names.
//   OUTPUT_DIR/model_0004999.pth   after iteration 4999 (0-based): a dict with model, optimizer, scheduler, iteration
//   OUTPUT_DIR/last_checkpoint     the name of the newest one
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fastermask/training/rcnn.h"
#include "fastermask/training/sgd.h"

namespace fastermask {

// Copies a weight file of any kind into the model and logs what did not match. `weights` is MODEL.WEIGHTS: a path or a
// name of the model store (weights/locate.h); "" leaves the initial values. Throws WeightsError when nothing matches.
void load_model_weights(const std::string& weights, TrainableRcnn& model, const std::vector<std::string>& folders);

// Writes a checkpoint and then points last_checkpoint at it; both appear whole or not at all.
//   name       "model_0004999" or "model_final"
//   iteration  the 0-based iteration just done
//   seed       what the run's random choices are keyed by, for runs with SEED -1
void save_checkpoint(const std::string& folder, const std::string& name, std::int64_t iteration, std::uint64_t seed,
                     const TrainableRcnn& model, const Sgd& optimizer);

struct ResumePoint {
  std::int64_t next_iteration = 0;
  std::optional<std::uint64_t> seed;  // of the run so far; none when another program wrote the checkpoint
};

// Continues from the checkpoint that last_checkpoint names: fills model and optimizer. None when the folder has no
// last_checkpoint. Throws WeightsError when it names a damaged or foreign file.
std::optional<ResumePoint> resume_from_checkpoint(const std::string& folder, TrainableRcnn& model, Sgd& optimizer);

}  // namespace fastermask
