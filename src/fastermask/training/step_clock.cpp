#include "fastermask/training/step_clock.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

#include "fastermask/training/gradient_sum.h"

namespace fastermask {
namespace {

// Leaves values and gradients as they are.
class Border : public torch::autograd::Function<Border> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& value, StepClock* clock,
                            const std::string& stage) {
    context->saved_data["clock"] = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(clock));
    context->saved_data["stage"] = stage;
    return value;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    auto* const clock = reinterpret_cast<StepClock*>(static_cast<std::intptr_t>(context->saved_data["clock"].toInt()));
    clock->enter(context->saved_data["stage"].toStringRef());
    return {gradients[0], at::Tensor(), at::Tensor()};
  }
};

}  // namespace

StepClock::Stage& StepClock::stage(const std::string& name) {
  for (Stage& known : stages_) {
    if (known.name == name) return known;
  }
  stages_.emplace_back();
  stages_.back().name = name;
  return stages_.back();
}

void StepClock::account() {
  const auto now = std::chrono::steady_clock::now();
  if (current_ != nullptr)
    (backward_ ? current_->backward : current_->forward) += std::chrono::duration<double>(now - since_).count();
  since_ = now;
}

void StepClock::enter(const std::string& name) {
  account();
  current_ = &stage(name);
}

const std::string& StepClock::current() const {
  static const std::string none;
  return current_ == nullptr ? none : current_->name;
}

void StepClock::begin_backward() {
  account();
  backward_ = true;
}

void StepClock::stop() {
  account();
  current_ = nullptr;
  backward_ = false;
}

at::Tensor StepClock::border(const at::Tensor& value, const std::string& stage) {
  // Readers that leave work to a sum of gradients would no more find it behind a node of ours.
  if (GradientSum* const sum = gradient_sum_of(value)) {
    sum->set_clock(this, stage);
    return value;
  }
  return value.requires_grad() ? Border::apply(value, this, stage) : value;
}

void StepClock::count(double flops, int gradients) {
  if (current_ == nullptr) return;
  current_->forward_flops += flops;
  current_->backward_flops += flops * gradients;
}

}  // namespace fastermask
