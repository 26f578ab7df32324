// From channels-last maps to rows that linear layers read: LibTorch's copy between the two orders takes a tenth of
// memory's rate.
#pragma once

#include "fastermask/training/tensor.h"

namespace fastermask {

// flatten(input, 1) with its gradient, [N, C, H, W] to [N, C * H * W]: by our own kernel on the CPU in float32, its
// gradient channels-last.
at::Tensor flatten_map(const at::Tensor& input);

}  // namespace fastermask
