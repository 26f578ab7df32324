// What every layer of a network gives and what comes back to it, kept by name: for DEBUG_MODE.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fastermask/structures/ndarray.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

// Tensors by the name of their layer, in the order in which layers ran. A layer that runs several times (the RPN head,
// once a level) is listed as name, name:1, name:2, ...
class LayerRecorder {
 public:
  // Keeps a layer's output and asks autograd for its gradient. Copies: later work in place changes nothing.
  void record(const std::string& layer, const at::Tensor& output);

  const NamedArrays& outputs() const { return outputs_; }

  // The gradients of the outputs that backward() has reached. The recorder must live until then.
  const NamedArrays& gradients() const { return gradients_; }

 private:
  NamedArrays outputs_;
  NamedArrays gradients_;
};

}  // namespace fastermask
