// Where the gradients of a value's readers are summed, in as few passes over memory as can be. Autograd by itself sums
// them two by two, each computed and laid down before, and a relu masks the sum in one pass more. Readers that know of
// a GradientSum leave their part to it as work to be done: it does that when all readers have been there, each part
// added to the ones before, and masked, while it is computed.
#pragma once

#include <torch/csrc/autograd/function.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fastermask/training/sparse_gradient.h"
#include "fastermask/training/tensor.h"

namespace fastermask {

class StepClock;

// What a reader leaves to be done: one of the three.
struct GradientPart {
  // Returns `sum` (undefined: 0) plus the reader's gradient, channels-last, and 0 where `gate` (undefined: nowhere) is
  // at most 0. `sum` must not change.
  std::function<at::Tensor(const at::Tensor& sum, const at::Tensor& gate)> onto;
  // Adds the reader's gradient to the channels-last `sum`, but where `gate` is at most 0.
  std::function<void(const at::Tensor& sum, const at::Tensor& gate)> into;
  // The reader's gradient itself, where it is 0 but at few pixels.
  std::optional<SparseGradient> few;
  std::string stage;  // in which it is left
};

class GradientSum : public torch::autograd::Node {
 public:
  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override;
  void release_variables() override;

  // Parts are then computed in the stage of the clock in which they were left, and with the sum the backward pass of
  // `stage` begins.
  void set_clock(StepClock* clock, const std::string& stage);

 private:
  friend class GradientEdge;
  friend at::Tensor sum_gradients(const at::Tensor& value, bool relu, bool apart,
                                  const std::shared_ptr<std::optional<SparseGradient>>& few);

  at::Tensor no_gradient() const;  // zeros that take no memory

  std::vector<std::int64_t> shape_;  // [N, C, H, W]
  at::TensorOptions options_;
  at::Tensor gate_;  // undefined: none
  bool apart_ = true;
  std::vector<GradientPart> parts_;  // [edge], of the backward pass that is under way
  std::shared_ptr<std::optional<SparseGradient>> few_;  // where a sum that is 0 but at few pixels goes; null: nowhere
  StepClock* clock_ = nullptr;
  std::string stage_;
};

// A reader's own edge to a GradientSum.
class GradientEdge {
 public:
  GradientEdge() = default;

  // `value` for one more reader: where its gradient goes to a GradientSum, by an edge of the reader's own, which `edge`
  // then is. Otherwise the value itself.
  static at::Tensor read(const at::Tensor& value, GradientEdge& edge);

  explicit operator bool() const { return sum_ != nullptr; }

  // In the reader's backward pass: leaves the part, and returns what autograd is to be given as the gradient (zeros
  // that take no memory). Where the reader has its gradient itself, it must call forget() instead.
  at::Tensor leave(GradientPart part) const;
  void forget() const;

 private:
  std::shared_ptr<GradientSum> sum_;
  std::uint32_t number_ = 0;
};

// The same value, whose readers' gradients go to a GradientSum. `relu`: the value came out of a relu, whose backward
// pass the sum takes over (as LibTorch does it: NaN passes); it must not change then. Without `apart` readers get no
// edges of their own: for hooks, which would see a part of the gradient. With `few`, what made the value can take a
// gradient that is 0 but at few pixels: it then lies there, masked, when that is asked for its backward pass, and what
// autograd gives it says nothing; otherwise nothing lies there.
at::Tensor sum_gradients(const at::Tensor& value, bool relu, bool apart = true,
                         const std::shared_ptr<std::optional<SparseGradient>>& few = nullptr);

// Where the value's gradient is summed, or null.
GradientSum* gradient_sum_of(const at::Tensor& value);

}  // namespace fastermask
