// DEBUG_MODE 1: every step's features and gradients in files, as PORT writes them.
#pragma once

#include <cstdint>
#include <string>

#include "fastermask/training/layer_recorder.h"
#include "fastermask/training/rcnn.h"

namespace fastermask {

// Records a model's layers from its construction to its end, which must come after backward().
class DebugDump {
 public:
  explicit DebugDump(TrainableRcnn& model);
  ~DebugDump();
  DebugDump(const DebugDump&) = delete;
  DebugDump& operator=(const DebugDump&) = delete;

  // Writes npu_fp_feature_N.pth (each layer's output), npu_bp_feature_N.pth (the gradients of those outputs) and
  // npu_grad_dict_N.pth (the parameters' gradients) into the folder, N = number; each a dict of tensors that torch.load
  // reads.
  void write(const std::string& folder, std::int64_t number) const;

 private:
  TrainableRcnn& model_;
  LayerKeeper recorder_;
};

}  // namespace fastermask
