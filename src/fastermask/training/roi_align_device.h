// RoIAlign by kernels of our own on devices that have some: tensors and autograd around roi_align_thread.h.
//   N images   L levels   R regions   C channels   P pooled size
#pragma once

#include <vector>

#include "fastermask/kernels/roi_align.h"
#include "fastermask/kernels/roi_align_thread.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// What runs all threads of a pass on a device. Both return before or after the work is done, as the device's other
// operations do, and throw Error when it cannot be started.
struct RoiAlignLaunchers {
  void (*forward)(const RoiAlignForward& work, const at::Device& device);
  void (*backward)(const RoiAlignBackward& work, const at::Device& device);
};

// Those of this build for a kind of device; null when it has none.
const RoiAlignLaunchers* roi_align_launchers(at::DeviceType type);

// As align_regions() (roi_align_generic.h), by `launchers`, which must live as long as the result's graph. At most
// kMostRoiAlignLevels levels. The same arguments give the same bits, forward and backward.
//   features  [L] of [N, C, H, W] float32, made channels-last if they are not
//   returns   [R, C, P, P] channels-last; differentiable with respect to the features
at::Tensor align_regions_on_device(const RoiAlignLaunchers& launchers, const std::vector<at::Tensor>& features,
                                   const std::vector<float>& scales, const std::vector<Roi>& rois,
                                   const RoiAlignParams& params);

}  // namespace fastermask
