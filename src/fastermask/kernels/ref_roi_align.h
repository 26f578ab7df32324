// The slow, obvious twin of roi_align.h: one sample, one channel at a time. For tests, and for checking a machine.
#pragma once

#include "fastermask/kernels/roi_align.h"

namespace fastermask {

// As roi_align_forward and roi_align_backward, serial, in plain loops.
void ref_roi_align_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                           float* output);
void ref_roi_align_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, const RoiAlignParams& params,
                            const float* grad_output);

}  // namespace fastermask
