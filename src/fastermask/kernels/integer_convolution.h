// Convolutions, transposed convolutions and linear layers on activations of 7 bits, for inference: the counterpart of
// convolution.h in integers, with weights of 7 bits and a scale of their own for each output channel (as in Jacob et
// al., 2018, section 2).
//   N images   H, W input size   P, Q output size   C, K channels in and out
#pragma once

#include <cstdint>
#include <vector>

#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/integer_product.h"

namespace fastermask {

// A feature map of 7-bit activations, [N, H + 2 * border, W + 2 * border, C], whose border holds what 0.0 becomes: so
// that no convolution needs to ask where the map ends. kIntegerSlack bytes behind it may be read.
struct IntegerMap {
  std::uint8_t* data = nullptr;
  int border = 0;
  ActivationRange range;
};

constexpr std::size_t kIntegerSlack = 64;

// Bytes of such a map, slack included.
std::size_t integer_map_bytes(int batch, int height, int width, int channels, int border);

// Writes the map of float values, [N, H, W, C], border included. Parallel.
void quantise_map(const float* values, int batch, int height, int width, int channels, const IntegerMap& map,
                  Isa isa = best_isa());

// Writes only the border.
void fill_border(int batch, int height, int width, int channels, const IntegerMap& map);

// Weights rounded and packed; as stored in packages.
struct IntegerWeights {
  SharedFloats panels;  // bytes: [panel][part][depth / 4][kIntegerPanelWidth][4] (of a transposed one, by phase before)
  SharedFloats scale;   // [K rounded up to whole panels] weight = integer * scale
  SharedFloats sum;     // likewise: of a filter's integers
  SharedFloats bias;    // likewise
};

// One application to a batch of feature maps.
struct IntegerConvolutionCall {
  IntegerMap input;  // of [N, H, W, C], its border at least the padding, its range that of the scales
  int batch = 1;
  int height = 1;
  int width = 1;
  const std::vector<float>* scale = nullptr;  // scales_for() of the input's range
  const std::vector<float>* bias = nullptr;
  const float* residual = nullptr;      // as in ConvolutionCall
  const Bf16* half_residual = nullptr;  // the same as bfloat16 numbers, instead
  int residual_scale = 1;               // 1 or 2
  bool relu = false;
  // [N, P, Q, K], where wanted; the residual's memory is allowed where residual_scale is 1 and both have the same bits.
  float* output = nullptr;
  Bf16* half_output = nullptr;  // the same rounded to bfloat16, instead: half the bytes to write and to read again
  IntegerMap quantised;  // the output in 7 bits; its border must be filled already; without data: not wanted
};

class IntegerConvolution {
 public:
  // Rounds and packs `weight`, [K, C, kernel, kernel] (transposed: [C, K, kernel, kernel]), each output channel with
  // the scale that leaves the smallest squared error, and `bias`, [K]. `input_means`, [C], or empty: the mean of each
  // input channel, from which the bias makes up for the mean error of rounding. Throws Error where fits() says no.
  IntegerConvolution(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                     const std::vector<float>& input_means, Isa isa = best_isa());

  // The same with weights packed before. Throws Error when their sizes are not those that the geometry needs.
  IntegerConvolution(const ConvolutionGeometry& geometry, IntegerWeights weights, Isa isa = best_isa());

  // No groups; transposed only where the kernel is the stride, without padding.
  static bool fits(const ConvolutionGeometry& geometry);

  const ConvolutionGeometry& geometry() const { return geometry_; }
  const IntegerWeights& weights() const { return weights_; }

  // [K rounded up to whole panels] What makes a value of an integer sum: value = sum * scale + bias, for inputs of
  // `range`.
  void scales_for(const ActivationRange& range, std::vector<float>& scale, std::vector<float>& bias) const;

  // Computes the output. Parallel; equal results for every thread count. Thread-safe.
  void run(const IntegerConvolutionCall& call) const;

 private:
  struct Run;
  void lay_out();
  void pack(const float* weight, const float* bias, const std::vector<float>& input_means);

  ConvolutionGeometry geometry_;
  IntegerOps ops_;
  int phases_ = 1;             // of a transposed convolution: stride * stride
  int parts_ = 1;              // pieces that lie together in the input, of one output's window
  int depth_ = 0;              // of a part, without what is rounded up
  std::size_t panel_bytes_ = 0;  // of one panel, of one phase
  IntegerWeights weights_;
};

}  // namespace fastermask
