// Runs a Graph on LibTorch tensors, with autograd: the executor that trains.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/graph/graph.h"
#include "fastermask/training/convolution_autograd.h"
#include "fastermask/training/layer_recorder.h"
#include "fastermask/training/parameter_store.h"
#include "fastermask/training/precision.h"
#include "fastermask/training/step_clock.h"

namespace fastermask {

// The graph and the store must outlive the executor. Not thread-safe.
class TorchGraphExecutor {
 public:
  TorchGraphExecutor(const Graph& graph, const ParameterStore& parameters);

  // What the input of forward() may be of: kBFloat16 in 16 bits, where all that reads the input takes such numbers;
  // else kFloat.
  at::ScalarType input_numbers() const;

  // The graph's outputs, in the order of Graph::outputs, for one input: channels-last [N, C, H, W], or [R, C].
  // `training` makes batch norms use and update batch statistics. Gradients are recorded as the caller's grad mode and
  // the parameters' requires_grad say.
  std::vector<at::Tensor> forward(const at::Tensor& input, bool training);

  // While set, the outputs of all layers with parameters, and their gradients, go to the recorder; nothing is folded or
  // done in place then. Null ends it.
  void set_recorder(LayerRecorder* recorder);

  // How far a training batch norm moves its running statistics towards the batch's: 0.1 of the way unless set.
  void set_norm_momentum(double momentum) { norm_momentum_ = momentum; }

  // What layers round to 16 bits: nothing unless set.
  void set_precision(Precision precision) { precision_ = precision; }

  // Lets layers run on our own kernels: convolutions (convolution_autograd.h), faster, with about five times the
  // rounding error of LibTorch's, and linear layers (linear_autograd.h). Off unless set.
  void set_own_kernels(bool on) { own_kernels_ = on; }

  // Keeps only what enters each residual block, and each mask or keypoint head, and computes the rest again in the
  // backward pass. Not while a recorder is set.
  void set_recompute(bool on);

  // While set, times its layers' stages, forward and backward. Null ends it.
  void set_clock(StepClock* clock) { clock_ = clock; }

  const Graph& graph() const { return *graph_; }

 private:
  // A FrozenBN folded into the convolution before it: y = conv(x, weight * scale) + shift.
  struct FoldedNorm {
    int norm_layer = -1;
    at::Tensor scale;          // [out, 1, 1, 1]
    at::Tensor shift;          // [out]
    at::Tensor frozen_weight;  // weight * scale, when the weight is not trained
  };

  // What follows a convolution and can be done with it (ConvolutionTail): sum and relu that alone read its value.
  struct Tail {
    int residual = -1;  // value added, by its layer, which comes before the convolution; -1: none
    int residual_scale = 1;
    bool relu = false;

    bool does_something() const { return residual >= 0 || relu; }
  };

  // Layers whose values in between are not kept for the backward pass.
  struct Segment {
    std::size_t first = 0;
    std::size_t last = 0;              // whose value is the only one read later
    std::vector<std::size_t> sources;  // layers before, whose values are read
    std::vector<at::Tensor> parameters;
  };

  static bool is_convolution(const Layer& layer);
  static bool is_pixel_product(const Layer& layer);  // pointwise, of stride 1
  void prepare();
  void find_tails(const std::vector<int>& readers);
  void find_pairs();
  void find_segments();
  void forget_packed();
  void run_and_release(std::size_t index, std::vector<at::Tensor>& values, bool training);
  at::Tensor run_segment(const Segment& segment, const std::vector<at::Tensor>& values, bool training);
  void enter_stage(std::size_t index, std::vector<at::Tensor>& values, std::vector<std::string>& stages);
  void count_work(std::size_t index, const std::vector<at::Tensor>& values);
  at::Tensor run_layer(std::size_t index, const std::vector<at::Tensor>& values, bool training);
  at::Tensor convolve(std::size_t index, const std::vector<at::Tensor>& values, const at::Tensor& offsets);
  at::Tensor convolve_pair(std::size_t first, const at::Tensor& input);
  std::shared_ptr<ConvolutionWeight> packed_weight(const Layer& layer, const at::Tensor& weight);
  void done_with(const Layer& layer, const std::shared_ptr<ConvolutionWeight>& packed);
  at::Tensor normalise(const Layer& layer, const at::Tensor& input, bool training) const;
  const at::Tensor& parameter(const Layer& layer, const char* suffix) const;
  // As a convolution or matrix product takes it.
  at::Tensor weight_operand(const at::Tensor& weight) const;
  at::Tensor input_operand(const at::Tensor& input) const;
  // What own kernels multiply.
  ProductNumbers numbers() const {
    return precision_ == Precision::half_products ? ProductNumbers::halves : ProductNumbers::floats;
  }
  at::Tensor multiply(const at::Tensor& rows, const at::Tensor& weight, const at::Tensor& bias) const;
  at::Tensor deconvolve_disjoint(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) const;

  const Graph* graph_;
  const ParameterStore* parameters_;
  std::vector<int> last_uses_;      // [layer]
  std::vector<bool> in_place_;      // [layer]: may overwrite its first input, which nobody else reads
  std::vector<FoldedNorm> folded_;  // [layer], of convolutions
  std::vector<bool> is_folded_;     // [layer], of norms: nothing left to do
  std::vector<Tail> tails_;         // [layer], of convolutions
  std::vector<int> in_tail_of_;     // [layer] the convolution that may do its work; -1: none
  std::vector<int> passes_on_;      // [layer], of those: the value that is theirs then; -1: nobody reads theirs
  std::vector<bool> did_tail_;      // [layer], of convolutions: in this forward pass
  std::vector<bool> with_next_;     // [layer], of convolutions: the next layer may be computed with it
  at::Tensor next_value_;           // that one's value, if it was
  int prepared_version_ = -1;
  LayerRecorder* recorder_ = nullptr;
  double norm_momentum_ = 0.1;
  Precision precision_ = Precision::f32;
  bool own_kernels_ = false;
  bool recompute_ = false;
  bool again_ = false;             // computing a segment again
  std::vector<Segment> segments_;  // in order
  StepClock* clock_ = nullptr;
  std::set<std::string> shared_;  // layers that several feature maps run through
  std::map<std::string, std::shared_ptr<ConvolutionWeight>> packed_;  // of these, during a forward pass
};

}  // namespace fastermask
