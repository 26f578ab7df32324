// From 8-bit pictures to the network's input: normalised, padded, channels last.
//   N images   H, W padded height and width
#pragma once

#include "fastermask/base/span.h"
#include "fastermask/structures/image.h"

namespace fastermask {

// The common size of a batch: the largest height and width, each rounded up to a multiple of `divisibility` (0 or 1:
// not rounded). detectron2 structures/image_list.py from_tensors.
ImageSize padded_size(Span<const ImageSize> sizes, int divisibility);

// Writes (pixel - mean) / std in float32 to destination [padded.height, padded.width, channels], and zeros to the right
// of and below the image. mean and std have one value a channel, in the image's channel order. Throws Error when the
// image does not fit or the counts disagree.
void normalise_into(const Image& image, Span<const float> mean, Span<const float> std, float* destination,
                    ImageSize padded);

}  // namespace fastermask
