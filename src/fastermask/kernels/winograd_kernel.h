// The 3x3 kernels' side of Winograd's convolution (winograd_tile.h): into its domain before forward passes, and their
// gradient out of it.
#pragma once

#include <cstddef>

#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

// Where the nine numbers of output channel k and input channel c begin: data + k * out_step + c * in_step. A transposed
// convolution's are read from the last to the first.
struct WinogradKernels {
  const float* data = nullptr;
  std::ptrdiff_t out_step = 0;
  std::ptrdiff_t in_step = 0;
  bool turned = false;
};

// Those of a weight [K, C, 3, 3], or of a transposed convolution's, [C, K, 3, 3], from output channel `first` on.
inline WinogradKernels winograd_kernels(const float* weight, int in_channels, int out_channels, bool transposed,
                                        std::ptrdiff_t first) {
  if (transposed) return {weight + first * 9, 9, static_cast<std::ptrdiff_t>(out_channels) * 9, true};
  const std::ptrdiff_t kernels = static_cast<std::ptrdiff_t>(in_channels) * 9;
  return {weight + first * kernels, kernels, 9, false};
}

FASTERMASK_DECLARE_COPIES(
    // Transforms a panel of kernels (G g G^T, in double, rounded once): those of kPanelWidth output channels, to
    // packed[i * matrix_stride + c * kPanelWidth + k], i < 36. The same bits on every instruction set.
    void winograd_pack_kernels(const WinogradKernels& kernels, int channels, float* packed,
                               std::ptrdiff_t matrix_stride);

    // The gradients of kPanelWidth x kPanelWidth kernels (G^T d G) from their products' sums,
    // sums[i * matrix_stride + c * row_stride + k], to gradients[k * out_stride + c * 9 + y * 3 + x].
    void winograd_kernel_gradients(const float* sums, std::ptrdiff_t matrix_stride, std::ptrdiff_t row_stride,
                                   float* gradients, std::ptrdiff_t out_stride);)

}  // namespace fastermask
