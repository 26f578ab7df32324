// What every layer of a network gives and what comes back to it: kept by name for DEBUG_MODE, or only looked at.
#pragma once

#include <string>

#include "fastermask/structures/ndarray.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// "[2, 256, 40, 52]: 3 of 1064960 values are not finite, the first at 17: nan"; "" when all are finite.
std::string describe_non_finite(const NDArray& array);

// Told of each layer's output when it ran (see TorchGraphExecutor::set_recorder). Must live until backward() is done.
class LayerRecorder {
 public:
  LayerRecorder() = default;
  virtual ~LayerRecorder() = default;
  LayerRecorder(const LayerRecorder&) = delete;
  LayerRecorder& operator=(const LayerRecorder&) = delete;
  virtual void record(const std::string& layer, const at::Tensor& output) = 0;
};

// Keeps outputs and gradients by the name of their layer. A layer that runs several times (the RPN head, once a level)
// is listed as name, name:1, name:2, ... Copies: later work in place changes nothing.
class LayerKeeper : public LayerRecorder {
 public:
  void record(const std::string& layer, const at::Tensor& output) override;

  const NamedArrays& outputs() const { return outputs_; }

  // The gradients of the outputs that backward() has reached.
  const NamedArrays& gradients() const { return gradients_; }

 private:
  NamedArrays outputs_;
  NamedArrays gradients_;
};

// Finds the first layer whose output, or whose output's gradient, is not finite everywhere. Keeps nothing else.
class NonFiniteFinder : public LayerRecorder {
 public:
  void record(const std::string& layer, const at::Tensor& output) override;

  // "output of backbone.bottom_up.res3.0.conv2 [2, 128, ...]: 3 of ...", or "gradient at the output of ..."; "": none.
  const std::string& found() const { return found_; }

 private:
  std::string found_;
};

}  // namespace fastermask
