// What c10d's reducer.hpp needs of a header that LibTorch packages (Debian's) may leave out: see gloo/rendezvous/store.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace torch {
namespace distributed {
namespace autograd {

// Its one member that reducer.hpp names, as LibTorch 1.13 declares it.
class DistAutogradContext {
 public:
  using GradCallback = std::function<bool(at::Tensor&)>;
};
using ContextPtr = std::shared_ptr<DistAutogradContext>;

}  // namespace autograd
}  // namespace distributed
}  // namespace torch
