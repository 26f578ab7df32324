// The 3x3 kernels' side of Winograd's convolution (winograd_tile.h): into its domain before forward passes, and their
// gradient out of it.
#pragma once

#include <cstddef>

#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

FASTERMASK_DECLARE_COPIES(
    // Transforms a panel of kernels (G g G^T, in double, rounded once): those of kPanelWidth output channels,
    // kernels[k * channels * 9 + c * 9 + y * 3 + x], to packed[i * matrix_stride + c * kPanelWidth + k], i < 36. The
    // same bits on every instruction set.
    void winograd_pack_kernels(const float* kernels, int channels, float* packed, std::ptrdiff_t matrix_stride);

    // The gradients of kPanelWidth x kPanelWidth kernels (G^T d G) from their products' sums,
    // sums[i * matrix_stride + c * row_stride + k], to gradients[k * out_stride + c * 9 + y * 3 + x].
    void winograd_kernel_gradients(const float* sums, std::ptrdiff_t matrix_stride, std::ptrdiff_t row_stride,
                                   float* gradients, std::ptrdiff_t out_stride);)

}  // namespace fastermask
