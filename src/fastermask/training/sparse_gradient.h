// Gradients that are 0 but at few pixels. The RPN's losses look at some hundred anchors of all that its maps have, so
// that of its convolutions' backward passes next to nothing is left when zeros are left out.
//   N images   H, W size   C channels   L pixels that are not 0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastermask/kernels/convolution.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

struct SparseGradient {
  std::vector<std::int64_t> pixels;  // [L] numbers among [N, H, W], rising
  at::Tensor rows;                   // [L, C]
};

// The pixels of a channels-last [N, C, H, W] float32 map on the CPU that are not 0, where they are at most one in
// sixteen, from when on it pays to take them alone; else nothing. NaN is not 0. Parallel.
std::optional<SparseGradient> sparse_gradient(const at::Tensor& map);

// The sum of several of the same map; at least one. Becomes 0 where `gate`, the map of a relu's output or undefined, is
// at most 0.
SparseGradient sum_of(const std::vector<SparseGradient>& gradients, const at::Tensor& gate);

// Adds it to the channels-last map `sum`, but where `gate` is at most 0. Parallel; equal for every thread count.
void add_sparse(const SparseGradient& gradient, const at::Tensor& gate, const at::Tensor& sum);

// What a convolution's windows of those output pixels read of its channels-last input: [L, R R C], R the kernel's size,
// 0 outside the map. `pixels` are numbers among [N, P, Q], the output's size.
at::Tensor input_windows(const ConvolutionGeometry& geometry, const at::Tensor& input,
                         const std::vector<std::int64_t>& pixels);

// Adds such windows where they came from: to the channels-last map `sum`, of the input's size, but where `gate` is at
// most 0. Parallel; equal for every thread count.
void add_windows(const ConvolutionGeometry& geometry, const at::Tensor& windows,
                 const std::vector<std::int64_t>& pixels, const at::Tensor& gate, const at::Tensor& sum);

// [K, C, R, R] as [K, R R C], the order of windows, and back.
at::Tensor kernels_as_windows(const at::Tensor& weight);
at::Tensor windows_as_kernels(const ConvolutionGeometry& geometry, const at::Tensor& windows);

}  // namespace fastermask
