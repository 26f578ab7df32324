// The sampling of a deformable convolution: each tap of the kernel is read where the picture's own offsets move it.
// Deformable convolution v1 (arXiv:1703.06211) and v2, which also weighs each tap (arXiv:1811.11168); detectron2
// layers/deform_conv.py, torchvision ops/deform_conv.py. The matrix product with the weights is the caller's.
//   N images   H, W input size   P, Q output size   C channels   K kernel side   G offset groups
#pragma once

namespace fastermask {

struct DeformParams {
  int kernel = 3;  // K
  int stride = 1;
  int padding = 1;
  int dilation = 1;
  int offset_groups = 1;   // G: consecutive C / G channels share their offsets
  bool modulated = false;  // v2: a weight for each tap, the sigmoid of a further channel
};

struct DeformShape {
  int batch = 0;     // N
  int height = 0;    // H
  int width = 0;     // W
  int channels = 0;  // C
};

// P or Q for H or W. Throws Error when the input is too small for the kernel.
int deform_output_size(int size, const DeformParams& params);

// Channels of the offsets: 2 G K K, or 3 G K K when modulated.
int deform_offset_channels(const DeformParams& params);

// What each output pixel sees, tap by tap: bilinear samples, 0 from one pixel outside the input on.
//
//   input    [N, H, W, C]
//   offsets  [N, P, Q, deform_offset_channels]: of group g and tap k = row * K + column, in input pixels, the channel
//            2 (g K K + k) moves down and the next one right; when modulated, 2 G K K + g K K + k is the weight's logit
//   columns  [N P Q, K K, C], overwritten
//
// Throws Error unless C is a multiple of G. Offsets may be any number: not finite ones sample 0. Parallel over output
// rows; equal results for every thread count. Thread-safe.
void deform_columns(const DeformShape& shape, const DeformParams& params, const float* input, const float* offsets,
                    float* columns);

// Adds to grad_input [N, H, W, C] what `grad_columns` [N P Q, K K, C] sends back. Parallel over images and blocks of
// channels: no atomics, equal results for every thread count.
void deform_columns_backward_input(const DeformShape& shape, const DeformParams& params, const float* offsets,
                                   const float* grad_columns, float* grad_input);

// The gradient of the offsets (and weights' logits), [N, P, Q, deform_offset_channels], overwritten. Parallel over
// output rows.
void deform_columns_backward_offsets(const DeformShape& shape, const DeformParams& params, const float* input,
                                     const float* offsets, const float* grad_columns, float* grad_offsets);

}  // namespace fastermask
