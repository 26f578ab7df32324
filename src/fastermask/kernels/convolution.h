// Convolutions, transposed convolutions and linear layers with weights packed once, for inference in float32:
// bias, residual and relu are done in registers, feature maps stay channels-last from end to end.
//   N images   H, W input size   P, Q output size   C, K channels in and out   G groups
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/half_kernels.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

struct ConvolutionGeometry {
  int in_channels = 0;   // C
  int out_channels = 0;  // K
  int kernel = 1;        // a side
  int stride = 1;
  int padding = 0;
  int dilation = 1;
  int groups = 1;           // G: divides C and K
  bool transposed = false;  // groups and dilation must then be 1

  bool operator==(const ConvolutionGeometry& other) const {
    return in_channels == other.in_channels && out_channels == other.out_channels && kernel == other.kernel &&
           stride == other.stride && padding == other.padding && dilation == other.dilation && groups == other.groups &&
           transposed == other.transposed;
  }

  // P or Q for H or W.
  int output_size(int size) const;
};

enum class ConvolutionMethod {
  direct,    // sums in one order: as exact as float32 is
  winograd,  // 3x3, stride 1: a quarter of the multiplications, five times the rounding error (winograd_tile.h)
};

// Weights in bfloat16 as units for float16 read them: in the order of packed_halves(), each channel's numbers divided
// by a power of two of its own. Of these numbers, the smallest (below 2^-14 of that power) lose some bits.
struct Fp16Weights {
  SharedFp16 panels;   // [copy][panel][depth / 2][kPanelWidth][2]
  SharedFloats scale;  // [K], in Winograd's domain [matrix, K]
};

// One application to a batch of feature maps.
struct ConvolutionCall {
  const float* input = nullptr;  // [N, H, W, C]
  int batch = 1;
  int height = 1;
  int width = 1;
  float* output = nullptr;  // [N, P, Q, K]; not `input`; `residual` only where residual_in_place() says so
  // Added to the result: [N, P, Q, K], or [N, P / 2, Q / 2, K] to be repeated twice each way; null: nothing.
  const float* residual = nullptr;
  int residual_scale = 1;  // 1 or 2
  bool relu = false;
  // [N, P, Q, K] or null: where it is at most 0 (not NaN) the result is 0. A relu's output, to its input's gradient.
  const float* gate = nullptr;
};

class PackedConvolution {
 public:
  // Packs `weight`, [K, C / G, kernel, kernel] (transposed: [C, K, kernel, kernel]), and `bias`, [K] or null, for the
  // copies of `isa`. `winograd` where winograd_fits() says so, otherwise Error.
  PackedConvolution(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                    ConvolutionMethod method, Isa isa = best_isa());

  // The same with weights packed before (packed_weights(), packed_bias()), perhaps by another machine. Throws Error
  // when their sizes are not those that the geometry and method need.
  PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method, SharedFloats weights,
                    SharedFloats bias, Isa isa = best_isa());

  // The same with weights rounded to bfloat16, in the order of packed_halves(). Where the processor has units for
  // numbers of 16 bits that are worth it (half_arithmetic()) and the geometry suits them, what the weights are
  // multiplied with is rounded to 16 bits, too: to bfloat16, with sums in float32, or to float16, with sums as
  // Fp16Product has them. Otherwise these are float32 convolutions.
  PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method, const SharedHalves& weights,
                    SharedFloats bias, Isa isa = best_isa());

  // The same with weights that fp16_weights() gave, perhaps on another machine: used as they are by a processor with
  // such units, else turned back. Throws Error when the geometry does not suit them (fp16_fits()) or a size is wrong.
  PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method, const Fp16Weights& weights,
                    SharedFloats bias, Isa isa = best_isa());

  // From float32 weights to the above. Winograd's are rounded after their transform.
  static PackedConvolution in_bf16(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                                   ConvolutionMethod method, Isa isa = best_isa());

  // The same for training, which packs weights anew in every step: straight to the numbers that are multiplied (of
  // which packed_halves() would be a second rounding). On machines whose arithmetic is float16 it takes a fraction of
  // the time, and weights are rounded once, to float16.
  static PackedConvolution in_halves(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                                     ConvolutionMethod method, Isa isa = best_isa());

  static bool winograd_fits(const ConvolutionGeometry& geometry);

  // The faster method of in_bf16() on this machine: Winograd's where it fits, but not with AMX, for whose products
  // Winograd's transforms cost more than they save.
  static ConvolutionMethod method_in_bf16(const ConvolutionGeometry& geometry);

  // Whether the output may take the residual's place: where no sum is laid down in between.
  bool residual_in_place() const;

  const ConvolutionGeometry& geometry() const { return geometry_; }
  ConvolutionMethod method() const { return method_; }
  // As packed: a pure function of geometry, method, weight and bias, the same for every instruction set.
  // Empty where arithmetic() is not float32.
  const SharedFloats& packed_weights() const { return weights_; }
  const SharedFloats& packed_bias() const { return bias_; }
  // What its products are of.
  HalfArithmetic arithmetic() const { return arithmetic_; }
  // The weights as bfloat16 numbers, again the same for every instruction set: in the order of packed_weights(), but
  // where pairs_fit() two steps of depth lie side by side for each column. Throws Error when they are no bfloat16
  // numbers.
  SharedHalves packed_halves() const;
  // Of a convolution with arithmetic() float16.
  const Fp16Weights& fp16_weights() const { return fp16_; }

  // Whether a kernel's rows are taken as one pixel each (a picture's three channels), which always is in float32.
  static bool is_narrow(const ConvolutionGeometry& geometry, ConvolutionMethod method);
  // Whether units for bfloat16, which multiply pairs, can be given a layer's depth: no groups, even, and not narrow.
  static bool pairs_fit(const ConvolutionGeometry& geometry, ConvolutionMethod method);
  bool pairs_fit() const { return pairs_fit(geometry_, method_); }
  // Whether those for float16 can, which make two panels of output channels at once.
  static bool fp16_fits(const ConvolutionGeometry& geometry, ConvolutionMethod method);
  bool fp16_fits() const { return fp16_fits(geometry_, method_); }

  // Computes the output. Parallel; equal results for every thread count. Thread-safe; scratch memory is kept by the
  // computing threads.
  void run(const ConvolutionCall& call) const;

 private:
  // A kernel position: its input pixel lies at (stride * output + dy, dx); its weights at `offset` in each panel.
  struct Tap {
    int dy = 0;
    int dx = 0;
    int line = 0;  // of its phase's lines
    std::ptrdiff_t offset = 0;
  };
  // Output pixels phase, phase + step, ... down and across, and the taps they sum. One, or for a transposed convolution
  // stride * stride of them.
  struct Phase {
    int y = 0;
    int x = 0;
    int step = 1;
    std::vector<Tap> taps;            // the one that most pixels have is last: it finishes the sums
    std::vector<int> positions;       // [tap] ky * kernel + kx
    std::vector<int> lines;           // the different dy, ascending
    int low_x = 0, high_x = 0;        // of all dx
    std::ptrdiff_t panel_offset = 0;  // of its first panel
  };
  template <class Element>
  struct DirectRun;

  // Without weights and bias.
  PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method, Isa isa);
  void pack_bias(const float* bias);
  // Fills everything but weights and bias.
  void lay_out();
  void lay_out_direct();
  void pack_direct(const float* weight, float* packed) const;
  void pack_narrow(const float* weight, float* packed) const;
  void pack_winograd(const float* weight, float* packed) const;
  void take_halves(const SharedHalves& weights);
  struct Fp16Panel;
  template <class Body>
  void for_fp16_panels(const Body& body) const;  // calls it with each, in parallel
  std::size_t fp16_scales() const;
  void pack_fp16(const SharedHalves& weights);
  void pack_fp16(const float* weight);
  SharedHalves unpacked_fp16(const Fp16Weights& weights) const;  // in the order of packed_halves()
  SharedHalves rounded_halves() const;                           // of weights_, in the order of packed_halves()
  template <class Element>
  void run_direct(const ConvolutionCall& call) const;
  void run_narrow(const ConvolutionCall& call) const;
  template <class Element>
  void run_winograd(const ConvolutionCall& call) const;
  template <class Element>
  const Element* panels() const;  // of the weights
  // Whose multiples a product computes without a rest.
  int rows_at_once() const;
  void multiply(const PanelProduct& product) const { ops_.multiply_panel(product); }
  void multiply(const HalfProduct& product) const { half_ops_.multiply_panel(product); }
  void multiply(const Fp16Product& product) const { fp16_ops_.multiply_panel(product); }

  ConvolutionGeometry geometry_;
  ConvolutionMethod method_;
  Isa isa_;
  PanelOps ops_;
  HalfOps half_ops_;
  Fp16Ops fp16_ops_;
  HalfArithmetic arithmetic_ = HalfArithmetic::float32;
  bool narrow_ = false;  // few input channels: a kernel row's pixels are taken as one
  std::vector<Phase> phases_;
  std::vector<float> zeros_;         // [C] of Winograd's way: a pixel outside the picture
  std::ptrdiff_t panel_floats_ = 0;  // of one panel: depth * kPanelWidth
  std::size_t weight_floats_ = 0;
  std::size_t bias_floats_ = 0;
  SharedFloats weights_;
  SharedHalves halves_;  // instead of weights_: packed_halves(), which bfloat16 units read
  Fp16Weights fp16_;     // likewise, which float16 units read
  SharedFloats bias_;    // [G, K / G rounded up to whole panels]
};

template <>
inline const float* PackedConvolution::panels<float>() const {
  return weights_.data.get();
}
template <>
inline const Bf16* PackedConvolution::panels<Bf16>() const {
  return halves_.data.get();
}
template <>
inline const Fp16* PackedConvolution::panels<Fp16>() const {
  return fp16_.panels.data.get();
}

}  // namespace fastermask
