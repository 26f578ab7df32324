// Activations that are computed again in the backward pass instead of being kept: less memory for a third more work.
#pragma once

#include <functional>
#include <vector>

#include "fastermask/training/tensor.h"

namespace fastermask {

// body(inputs), of which only `inputs` and `parameters` are kept for the backward pass; that calls `body` again, with
// gradients on, which must give the same. `parameters`: what body reads besides its inputs and trains. All that `body`
// captures must live until the backward pass.
at::Tensor recomputed(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& body,
                      const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& parameters);

}  // namespace fastermask
