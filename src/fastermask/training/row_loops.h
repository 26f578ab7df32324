// Small parallel loops over a step's tensors that LibTorch would do with threads of its own, which have to be woken first
// and then share the cores with ours (base/thread_team.h): in a step there are a hundred.
#pragma once

#include "fastermask/training/tensor.h"

namespace fastermask {

// rows: [M, C] float32 on the CPU. Sums over the rows: [C]; a bias's gradient. Equal for every thread count.
at::Tensor column_sums(const at::Tensor& rows);

// weight: [K, ...] float32 on the CPU; scale: K numbers, without gradient. weight[k] * scale[k], with its gradient: a
// convolution's weight with a FrozenBN's scale folded in.
at::Tensor scaled_rows(const at::Tensor& weight, const at::Tensor& scale);

}  // namespace fastermask
