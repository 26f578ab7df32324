// RoIPool: the maximum over each bin, with box coordinates rounded to feature pixels. Channels last.
// Fast R-CNN (arXiv:1504.08083); torchvision ops/cpu/roi_pool_kernel.cpp.
//   N images   R rois   H, W a level's size   C channels   P, Q pooled height and width
#pragma once

#include <cstdint>

#include "fastermask/kernels/roi_align.h"

namespace fastermask {

// Corners are round(coordinate * spatial_scale), halves away from zero; both end pixels belong to the roi, so its
// size is end - start + 1, at least 1. Bin p covers rows floor(p * size / P) .. ceil((p + 1) * size / P), cut off at
// the level.
//
//   output  [R, P, Q, C], 0 for an empty bin
//   argmax  [R, P, Q, C] index y * W + x of the maximum (the first one on ties), -1 for an empty bin; may be null
//
// Throws Error as roi_align_forward does. Parallel over rois. Thread-safe.
void roi_pool_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, int pooled_height, int pooled_width,
                      float* output, std::int32_t* argmax);

// Adds each grad_output [R, P, Q, C] to the pixel that `argmax` names. Parallel over images and blocks of channels;
// equal results for every thread count.
void roi_pool_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, int pooled_height,
                       int pooled_width, const float* grad_output, const std::int32_t* argmax);

}  // namespace fastermask
