// RoIAlign made of LibTorch's standard operations: for devices that have no kernel of their own. On CPUs the kernels of
// kernels/roi_align.h are faster; both sample alike.
//   N images   L levels   R regions   C channels   P pooled size
#pragma once

#include <vector>

#include "fastermask/graph/network.h"
#include "fastermask/kernels/roi_align.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// As pool_regions() (roi_align_autograd.h) without max pooling, on the features' device: the host lists which pixels
// count with which weights, the device gathers, multiplies and adds up.
//   features  [L] of [N, C, H, W]
//   returns   [R, C, P, P] channels-last; differentiable with respect to the features
at::Tensor align_regions(const std::vector<at::Tensor>& features, const std::vector<float>& scales,
                         const std::vector<Roi>& rois, const RoiAlignParams& params);

}  // namespace fastermask
