// Random parts of an image. Internal to the data layer.
#pragma once

#include "fastermask/data/augmentation.h"

namespace fastermask {

// A whole number from low to high, both included.
int random_between(Random& random, int low, int high);

// A part of an image of `size`, of a height and width that mean what AugmentationOptions says. detectron2 RandomCrop.
CropTransform choose_crop(CropMode mode, double height, double width, ImageSize size, Random& random);

}  // namespace fastermask
