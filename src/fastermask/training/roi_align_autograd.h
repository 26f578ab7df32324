// Region pooling with autograd: the host kernels of kernels/roi_align.h and kernels/roi_pool.h as one LibTorch
// operation over all feature levels.
//   N images   L levels   R regions   C channels   P pooled size
#pragma once

#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/graph/network.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// Pools every region from its level.
//   features  [L] of [N, C, H, W] float32; made channels-last if they are not. On another device than the CPU the
//             kernels of roi_align_device.h run there, or else the generic form of roi_align_generic.h; max pooling
//             always runs on the CPU
//   strides   [L] input pixels per feature pixel
//   rois      [R] image, level and box in input pixels
//   numbers   kFloat, or kBFloat16: the regions, and what their gradient is read as, then have 16 bits where RoIAlign's
//             host kernels run, which round their sums; the features' gradients are float32
//   returns   [R, C, P, P] channels-last; differentiable with respect to the features
// Mask R-CNN (arXiv:1703.06870) section 3; detectron2 modeling/poolers.py.
at::Tensor pool_regions(const std::vector<at::Tensor>& features, const std::vector<LevelSpec>& levels,
                        const std::vector<Roi>& rois, const PoolerSpec& pooler,
                        at::ScalarType numbers = at::kFloat);

}  // namespace fastermask
