// Networks with frozen batch norms that have no pretrained weights.
#pragma once

#include "fastermask/training/rcnn.h"

namespace fastermask {

// Frozen batch norms that do nothing let a residual network's values double in every block: 65536-fold in ResNet-50,
// whose first losses are then in the hundreds and whose third step diverges, in detectron2 as here. This sets their
// frozen numbers so that the values keep about their size: the stem's variance to that of its output for pictures with
// the config's PIXEL_STD, and the scale at the end of each block's branch to 1/4. Logs a warning. Nothing happens to
// networks without frozen norms. To be called when no weights are loaded.
void balance_frozen_norms(TrainableRcnn& model);

}  // namespace fastermask
