// Weights and training checkpoints of a model: detectron2's files and names.
//   OUTPUT_DIR/model_0004999.pth   after iteration 4999 (0-based): a dict with model, optimizer, scheduler, iteration
//   OUTPUT_DIR/last_checkpoint     the name of the newest one
// Every array in a checkpoint carries a checksum (the zip format's CRC-32), which reading verifies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fastermask/training/ema.h"
#include "fastermask/training/optimizer.h"
#include "fastermask/training/rcnn.h"
#include "fastermask/weights/weight_file.h"

namespace fastermask {

// Copies a weight file of any kind into the model and logs what did not match. `weights` is MODEL.WEIGHTS: a path or a
// name of the model store (weights/locate.h); "" leaves the initial values. Throws WeightsError when nothing matches.
void load_model_weights(const std::string& weights, TrainableRcnn& model, const std::vector<std::string>& folders);

// What of a run goes into a checkpoint and comes back from it. `ema` may be null.
struct TrainingState {
  TrainableRcnn* model = nullptr;
  Optimizer* optimizer = nullptr;
  ModelEma* ema = nullptr;
};

// Where a run stands, besides its weights. All random choices follow from it, the loader's position too.
struct ResumePoint {
  std::int64_t next_iteration = 0;
  std::optional<std::uint64_t> seed;  // of the run so far; none when another program wrote the checkpoint
  double rate_factor = 1;             // what rollbacks have made of the learning rate
  PickleValue hooks;                  // what hooks want back: a dict, or none
};

// Throws Error when the folder cannot be made or written to, or has less room than one checkpoint of this model needs.
// Removes what an earlier run left half written there.
void check_checkpoint_folder(const std::string& folder, const TrainableRcnn& model);

// Writes a checkpoint called `name` ("model_0004999", "model_final") and then points last_checkpoint at it; both appear
// whole or not at all. With `keep` > 0, of the numbered checkpoints only the newest `keep` stay. Throws Error when it
// cannot be written, in which case everything is as before.
void save_checkpoint(const std::string& folder, const std::string& name, const TrainingState& state,
                     const ResumePoint& point, int keep = 0);

// Writes a file with weights alone, under "model".
void save_weights(const std::string& path, const NamedArrays& weights);

// Continues from the checkpoint that last_checkpoint names: fills what `state` points at. When that file is damaged or
// missing, says so and takes the newest undamaged one before it. None when the folder has no last_checkpoint. Throws
// WeightsError when no checkpoint can be read, or when one is not of this model.
std::optional<ResumePoint> resume_from_checkpoint(const std::string& folder, const TrainingState& state);

// The same with several processes: rank 0 finds the checkpoint, and ranks that do not see its folder (on machines
// without a shared file system) are sent the file.
std::optional<ResumePoint> resume_everywhere(const std::string& folder, const TrainingState& state);

// Fills the model from a file's "model". Throws WeightsError unless every parameter is there in its shape.
void restore_model(const WeightFile& file, TrainableRcnn& model);

}  // namespace fastermask
