// Products on packed weights (kernels/convolution.h) for training: which of them, and in which numbers.
#pragma once

#include <utility>

#include "fastermask/kernels/convolution.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// What products are of. `halves`: numbers of 16 bits (half_arithmetic()), which both operands are rounded to within the
// product; sums, and all values outside, stay float32.
enum class ProductNumbers { floats, halves };

// Whether half_arithmetic()'s units can be given this geometry.
bool halves_fit(const ConvolutionGeometry& geometry);

// Whether the direct way takes a layer's kernel rows as one pixel each (few channels, as a picture's three). Always in
// float32, forward and back, also where Winograd's way is taken.
bool is_narrow(const ConvolutionGeometry& geometry);

// The weight of the way back from the output's gradient to the input's, at stride 1: [K, C, R, R] with its kernels
// turned by half a turn and channels exchanged, [C, K, R, R].
at::Tensor turned_weight(const at::Tensor& weight);

// Packs a float32 weight, laid out as PackedConvolution wants it, on the CPU. `bias`: [K] or undefined. In halves where
// these fit, else in floats; the method is the faster one for those numbers.
PackedConvolution pack_weight(const ConvolutionGeometry& geometry, const at::Tensor& weight, const at::Tensor& bias,
                              ProductNumbers numbers);

// The geometry of [M, C] times [K, C]'s transpose: a 1x1 convolution of M pixels.
ConvolutionGeometry pointwise_geometry(std::int64_t in, std::int64_t out);

// What the output of a convolution goes through while it is in registers.
struct ConvolutionTail {
  at::Tensor residual;     // added: [N, K, P, Q], or [N, K, P / 2, Q / 2] with residual_scale 2; undefined: nothing
  int residual_scale = 1;  // 2: each of the residual's pixels is added to 2x2 pixels
  bool relu = false;       // done last
  at::Tensor gate;         // as the output: where it is at most 0 that becomes 0. Of the way back alone; else undefined

  bool does_something() const { return residual.defined() || relu; }
};

// [N, C, H, W] convolved to channels-last [N, K, P, Q].
at::Tensor run_packed(const PackedConvolution& convolution, const at::Tensor& input, const ConvolutionTail& tail = {});

// The same of two pointwise convolutions of stride 1, which read the input together.
std::pair<at::Tensor, at::Tensor> run_packed_pair(const PackedConvolution& first, const PackedConvolution& second,
                                                  const at::Tensor& input);

// [M, C] times packed weights: [M, K].
at::Tensor multiply_rows(const PackedConvolution& convolution, const at::Tensor& rows);

// The gradient of a linear layer's weight, [K, C], from its input, [M, C], and its output's gradient, [M, K].
at::Tensor rows_weight_gradient(const at::Tensor& rows, const at::Tensor& gradient, ProductNumbers numbers);

}  // namespace fastermask
