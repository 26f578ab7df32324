// Copy-paste augmentation: instances of one picture onto another. Ghiasi et al., "Simple Copy-Paste is a Strong Data
// Augmentation Method for Instance Segmentation", arXiv:2012.07177.
#pragma once

#include "fastermask/base/random.h"
#include "fastermask/config/augmentation_spec.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

// The picture that instances are taken from, with masks (those without one are not taken).
struct PasteSource {
  Image image;
  GroundTruth truth;
};

// Pastes random instances of `source` onto `image`, at the place they have in their own picture; what lies beyond
// `image` is cut off. The ground truth gets them behind its own instances, of which those underneath lose the covered
// pixels: their masks become runs (those not touched stay as they are), their boxes those of the masks, keypoints
// underneath become hidden (visibility 1), and instances of which fewer than spec.min_area pixels are left are dropped.
// An instance without a mask keeps its box unless all of it is covered. Pictures need the same channels; the ground
// truth needs masks [G] (each may be empty), and keypoints as far as `source` has them.
void paste_instances(const CopyPasteSpec& spec, PasteSource source, Random& random, Image& image, GroundTruth& truth);

}  // namespace fastermask
