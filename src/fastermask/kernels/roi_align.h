// RoIAlign over one or several feature levels, channels last, forward and backward.
// Mask R-CNN (arXiv:1703.06870) section 3; detectron2 layers/csrc/ROIAlign, modeling/poolers.py.
//   N images   R rois   L levels   H, W a level's size   C channels   P, Q pooled height and width
#pragma once

#include "fastermask/base/span.h"
#include "fastermask/kernels/bf16.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// One level's features of a batch, in float32 or bfloat16.
template <class Number>
struct FeatureLevelOf {
  const Number* data = nullptr;  // [N, H, W, C]
  int batch = 0;                 // N
  int height = 0;                // H
  int width = 0;                 // W
  int channels = 0;              // C, the same at every level
  float spatial_scale = 1;       // feature pixels per input-image pixel: 1 / stride
};
using FeatureLevel = FeatureLevelOf<float>;
using HalfFeatureLevel = FeatureLevelOf<Bf16>;

// Where a level's gradient is added to; fields as in FeatureLevel.
struct FeatureLevelGradient {
  float* data = nullptr;  // [N, H, W, C]; null: it is not asked for (of RoIAlign)
  int batch = 0;
  int height = 0;
  int width = 0;
  int channels = 0;
  float spatial_scale = 1;
};

// A region to pool: which image of the batch, which level, and the box in input-image pixels.
struct Roi {
  int image = 0;
  int level = 0;
  Box box;
};

struct RoiAlignParams {
  int pooled_height = 7;   // P
  int pooled_width = 7;    // Q
  int sampling_ratio = 0;  // samples a bin and axis; 0: ceil(size of the bin in feature pixels)
  bool aligned = true;     // true: half a pixel's shift (ROIAlignV2); false: the original, sizes forced to >= 1
};

// Each bin's mean of bilinear samples. Samples further than one pixel outside the level count as 0.
//
//   output  [R, P, Q, C], overwritten
//
// In bfloat16 what is read and written has 16 bits: sums are of floats, rounded at their end (to the nearest). Throws
// Error when a roi names a missing image or level, a box is not finite or spans more than 1e7 feature pixels, levels are
// empty or differ in channels, or a parameter is out of range. Parallel over rois; equal results for every thread count.
// Thread-safe.
void roi_align_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       float* output);
void roi_align_forward(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       Bf16* output);
void roi_align_forward(Span<const HalfFeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                       Bf16* output);

// Adds the gradient of the features, in float32: a pixel gathers from many rois.
//
//   grad_output  [R, P, Q, C]
//
// Same errors. Parallel over feature rows: no atomics; equal results for every thread count, bit for bit.
void roi_align_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, const RoiAlignParams& params,
                        const float* grad_output);
void roi_align_backward(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, const RoiAlignParams& params,
                        const Bf16* grad_output);

// Throws what both throw for wrong arguments; `where` opens the message.
void check_roi_arguments(Span<const FeatureLevel> levels, Span<const Roi> rois, int pooled_height, int pooled_width,
                         int sampling_ratio, const char* where);
void check_roi_arguments(Span<const FeatureLevelGradient> levels, Span<const Roi> rois, int pooled_height,
                         int pooled_width, int sampling_ratio, const char* where);

}  // namespace fastermask
