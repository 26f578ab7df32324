// From channels-last maps to rows that linear layers read: LibTorch's copy between the two orders takes a tenth of
// memory's rate.
#pragma once

#include "fastermask/training/tensor.h"

namespace fastermask {

// flatten(input, 1) with its gradient, [N, C, H, W] to [N, C * H * W]: by our own kernel on the CPU, its gradient
// channels-last. A bfloat16 input gives float32 rows there, and has a bfloat16 gradient.
at::Tensor flatten_map(const at::Tensor& input);

}  // namespace fastermask
