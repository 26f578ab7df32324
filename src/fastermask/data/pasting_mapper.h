// The mapper's way when CopyPaste is among the augmentations. Internal to the data layer.
#pragma once

#include "fastermask/data/mapper.h"

namespace fastermask {

inline bool is_copy_paste(const AugmentationSpec& spec) { return std::holds_alternative<CopyPasteSpec>(spec.value); }

// The box around a mask that is not empty.
Box box_of_mask(const Segmentation& mask);

// Ground truth in the frame of an image of `size`, moved by further transforms.
GroundTruth move_ground_truth(const Dataset& dataset, GroundTruth truth, ImageSize size, const Transforms& transforms,
                              const MapperOptions& options);

// Fills in image, ground truth, transforms and flipped: the entries before a CopyPaste, the pasting, the entries behind
// it, and so on. The other picture goes through the entries before the CopyPaste, with draws of its own.
void map_with_pasting(const Dataset& dataset, const ImageRecord& record, const MapperOptions& options, Random& random,
                      TrainingSample& sample);

}  // namespace fastermask
