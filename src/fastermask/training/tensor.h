// The one way LibTorch's tensors come into our code: ATen, and the autograd pieces we use. Not torch/torch.h, which
// takes 22 s a file to compile and brings modules we replace.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "fastermask/kernels/bf16.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

// A copy of the array as a tensor, 4-d ones channels-last.
at::Tensor to_tensor(const NDArray& array);

// A copy of the tensor (float32, int64, uint8, ...; any layout or device) as a row-major array.
NDArray to_array(const at::Tensor& tensor);

// [N, H, W, C] data as an [N, C, H, W] channels-last tensor that views it: the data must outlive the tensor.
at::Tensor view_nhwc(const float* data, std::int64_t batch, std::int64_t height, std::int64_t width,
                     std::int64_t channels);

// The tensor channels-last (dense NHWC memory), copied only when it is not already.
at::Tensor channels_last(const at::Tensor& tensor);

// The numbers of a bfloat16 tensor on the CPU.
Bf16* bf16_data(const at::Tensor& tensor);

// Int64 and float32 tensors holding a copy of the values, [n].
at::Tensor to_tensor(const std::vector<std::int64_t>& values);
at::Tensor to_tensor(const std::vector<float>& values);

}  // namespace fastermask
