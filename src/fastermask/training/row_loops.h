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

// Of channels-last float32 maps on the CPU, [N, C, H, W]:

// Zeros, channels-last.
at::Tensor zero_map(at::IntArrayRef sizes, const at::TensorOptions& options);

// Every stride-th pixel each way, from the first on: [N, C, ceil(H / stride), ceil(W / stride)], channels-last; the map
// itself for a stride of 1. And back into `map`, whose other pixels stay.
at::Tensor strided_pixels(const at::Tensor& map, std::int64_t stride);
void put_strided_pixels(const at::Tensor& pixels, std::int64_t stride, const at::Tensor& map);

// The gradient of nearest upsampling by `scale`: sums of scale x scale pixels. H and W are multiples of it.
at::Tensor window_sums(const at::Tensor& map, std::int64_t scale);

// rows: [N H W, s s K], what each pixel becomes s x s pixels of K channels of: the map of these, [N, K, s H, s W]
// channels-last, with its gradient.
at::Tensor spread_windows(const at::Tensor& rows, std::int64_t batch, std::int64_t height, std::int64_t width,
                          std::int64_t scale);

}  // namespace fastermask
