// What a model's class indices mean: names for drawing, category ids for results.
#pragma once

#include "fastermask/config/config.h"
#include "fastermask/data/class_list.h"

namespace fastermask::cli {

// The K classes of the config's model, from (in this order): classes.json beside MODEL.WEIGHTS (training writes it),
// the first of DATASETS.TEST and TRAIN that is there and has K classes, DATASETS.CLASS_NAMES, COCO's when K = 80, and
// else "class 0", ... with ids from 1. Their skeleton likewise; of 17 keypoints that come without one, COCO's persons'.
ClassList find_model_classes(const Config& config);

}  // namespace fastermask::cli
