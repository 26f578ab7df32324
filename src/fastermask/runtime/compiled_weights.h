// A network's parameters ready for the kernels: norms folded, weights packed. What a model package holds.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "fastermask/graph/fusion.h"
#include "fastermask/graph/network.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/integer_convolution.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {

struct Quantisation;  // runtime/quantisation.h

// What the packed weights of convolutions, deconvolutions and linear layers are rounded to. Feature maps, biases and
// norms are float32. With bf16, products are of numbers of 16 bits where the processor gains by it (half_arithmetic()),
// otherwise of float32 ones; with int8, layers chosen by calibration are computed in integers of 7 bits
// (kernels/integer_convolution.h), the others as with bf16.
enum class WeightPrecision { f32, bf16, int8 };

// "f32", "bf16" or "int8"; otherwise Error that says what the word was.
WeightPrecision parse_weight_precision(const std::string& word);
const char* to_string(WeightPrecision precision);

struct CompileOptions {
  bool winograd = true;  // false: every convolution the direct way, as exact as float32 is
  WeightPrecision precision = WeightPrecision::f32;
  const Quantisation* quantisation = nullptr;  // needed for int8
};

// Of one layer: a convolution (also for deconvolutions and linear layers) in floats or in integers, or a norm that
// stands alone.
struct LayerWeights {
  std::shared_ptr<const PackedConvolution> convolution;
  std::shared_ptr<const IntegerConvolution> integer;
  SharedFloats scale;  // [C] of a batch norm as value * scale + shift, or a group norm's weight
  SharedFloats shift;  // [C] likewise, or a group norm's bias
};

// By the layer's name: layers that share weights (the RPN head's, on every level) share them here.
using CompiledWeights = std::map<std::string, LayerWeights>;

// The geometry that runs a convolution, deconvolution or linear step. Linear layers become 1x1 convolutions, their
// columns in channels-last order when they read a feature map; a deformable convolution becomes a 1x1 convolution of
// its columns (kernels/deform_conv.h).
ConvolutionGeometry step_geometry(const Graph& graph, const FusedStep& step);

// How such a step is computed.
ConvolutionMethod step_method(const ConvolutionGeometry& geometry, const CompileOptions& options);

// Throws Error when these are not the weights of that step: another network's.
void check_step_weights(const Graph& graph, const FusedStep& step, const LayerWeights& weights);

// Packs all parameters of a network. `weights` holds them as float32 under their names, and is emptied as they are
// packed, so that they need not fit into memory twice. Throws WeightsError for a missing one or one of another shape.
CompiledWeights compile_weights(const Network& network, NamedArrays weights, const CompileOptions& options = {});

}  // namespace fastermask
