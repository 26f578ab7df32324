#include "fastermask/training/gradient_sum.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <utility>

#include "fastermask/training/row_loops.h"
#include "fastermask/training/step_clock.h"

namespace fastermask {

torch::autograd::variable_list GradientSum::apply(torch::autograd::variable_list&& gradients) {
  at::Tensor sum;
  bool own = false;  // nobody else has it
  std::vector<GradientPart> onto, into, few;
  if (few_ != nullptr) few_->reset();
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    at::Tensor gradient = std::move(gradients[i]);
    // Of a reader that this backward pass did not come by, nothing is added, even if an earlier one left something.
    GradientPart part = std::exchange(parts_[i], {});
    if (!gradient.defined()) continue;
    if (part.onto != nullptr) {
      onto.push_back(std::move(part));
    } else if (part.into != nullptr) {
      into.push_back(std::move(part));
    } else if (part.few.has_value()) {
      few.push_back(std::move(part));
    } else if (!sum.defined()) {
      sum = channels_last(gradient);
    } else {
      sum = own ? sum.add_(gradient) : channels_last(sum + gradient);
      own = true;
    }
  }
  if (few_ != nullptr && !few.empty() && !sum.defined() && onto.empty() && into.empty()) {
    std::vector<SparseGradient> all;
    for (GradientPart& part : few) all.push_back(std::move(*part.few));
    *few_ = sum_of(all, gate_);
    if (clock_ != nullptr) clock_->enter(stage_);
    return {no_gradient()};
  }
  for (GradientPart& part : few) {
    part.into = [gradient = std::move(*part.few)](const at::Tensor& to, const at::Tensor& gate) {
      add_sparse(gradient, gate, to);
    };
    into.push_back(std::move(part));
  }
  for (std::size_t i = 0; i < onto.size(); ++i) {
    if (clock_ != nullptr) clock_->enter(onto[i].stage);
    sum = onto[i].onto(sum, i + 1 == onto.size() ? gate_ : at::Tensor());
    onto[i] = {};  // its memory
  }
  if (onto.empty()) {
    if (!sum.defined()) {
      if (into.empty()) return {at::Tensor()};
      sum = zero_map(shape_, options_);
    } else if (gate_.defined()) {
      sum = at::threshold_backward(sum, gate_, 0);
    } else if (!into.empty() && !own) {
      sum = sum.clone();
    }
  }
  for (GradientPart& part : into) {
    if (clock_ != nullptr) clock_->enter(part.stage);
    part.into(sum, gate_);
    part = {};
  }
  if (clock_ != nullptr) clock_->enter(stage_);
  return {sum};
}

at::Tensor GradientSum::no_gradient() const {
  static const at::Tensor zero = at::zeros({1, 1, 1, 1});
  return zero.to(options_).expand(shape_);
}

void GradientSum::set_clock(StepClock* clock, const std::string& stage) {
  clock_ = clock;
  stage_ = stage;
}

void GradientSum::release_variables() {
  gate_.reset();
  parts_.assign(parts_.size(), {});
}

namespace {

// The value's memory with an edge to the node; returns its number.
std::pair<at::Tensor, std::uint32_t> new_edge(const at::Tensor& value, const std::shared_ptr<GradientSum>& node) {
  at::Tensor alias = value.variable_data();
  const std::uint32_t number = node->add_input_metadata(alias);
  torch::autograd::impl::set_gradient_edge(alias, {node, number});
  return {alias, number};
}

}  // namespace

at::Tensor GradientEdge::read(const at::Tensor& value, GradientEdge& edge) {
  if (!at::GradMode::is_enabled()) return value;
  GradientSum* const sum = gradient_sum_of(value);
  if (sum == nullptr || !sum->apart_) return value;
  edge.sum_ = std::static_pointer_cast<GradientSum>(value.grad_fn());
  auto [alias, number] = new_edge(value, edge.sum_);
  edge.number_ = number;
  sum->parts_.emplace_back();
  return alias;
}

at::Tensor GradientEdge::leave(GradientPart part) const {
  if (sum_->clock_ != nullptr) part.stage = sum_->clock_->current();
  sum_->parts_.at(number_) = std::move(part);
  return sum_->no_gradient();
}

void GradientEdge::forget() const {
  if (sum_ != nullptr) sum_->parts_.at(number_) = {};
}

at::Tensor sum_gradients(const at::Tensor& value, bool relu, bool apart,
                         const std::shared_ptr<std::optional<SparseGradient>>& few) {
  if (!value.requires_grad()) return value;
  const std::shared_ptr<GradientSum> node(new GradientSum, torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(value));
  node->shape_ = value.sizes().vec();
  node->options_ = value.options().requires_grad(false);
  if (relu) node->gate_ = value.variable_data();
  node->apart_ = apart;
  node->few_ = few;
  node->parts_.resize(1);
  return new_edge(value, node).first;
}

GradientSum* gradient_sum_of(const at::Tensor& value) {
  return value.defined() && value.requires_grad() ? dynamic_cast<GradientSum*>(value.grad_fn().get()) : nullptr;
}

}  // namespace fastermask
