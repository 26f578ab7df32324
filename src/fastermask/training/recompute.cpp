#include "fastermask/training/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <memory>
#include <utility>

namespace fastermask {
namespace {

using Body = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

// A node of its own, since torch::autograd::Function takes no lists of tensors.
class RecomputeNode : public torch::autograd::Node {
 public:
  RecomputeNode(Body body, const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& parameters)
      : body_(std::move(body)), num_inputs_(inputs.size()) {
    for (const auto* group : {&inputs, &parameters}) {
      for (const at::Tensor& tensor : *group) kept_.emplace_back(tensor, false);
    }
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    const at::AutoGradMode with_graph(true);
    std::vector<at::Tensor> sources;
    for (const torch::autograd::SavedVariable& kept : kept_) sources.push_back(kept.unpack());
    for (std::size_t i = 0; i < num_inputs_; ++i)
      sources[i] = sources[i].detach().set_requires_grad(sources[i].requires_grad());
    const at::Tensor result = body_({sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(num_inputs_)});
    torch::autograd::variable_list wanted;
    for (const at::Tensor& source : sources) {
      if (source.requires_grad()) wanted.push_back(source);
    }
    const torch::autograd::variable_list found =
        torch::autograd::grad({result}, wanted, {gradients[0]}, c10::nullopt, false, true);
    torch::autograd::variable_list answer;
    std::size_t next = 0;
    for (const at::Tensor& source : sources) answer.push_back(source.requires_grad() ? found[next++] : at::Tensor());
    return answer;
  }

  void release_variables() override {
    for (torch::autograd::SavedVariable& kept : kept_) kept.reset_data();
    body_ = nullptr;
  }

 private:
  Body body_;
  std::size_t num_inputs_;
  std::vector<torch::autograd::SavedVariable> kept_;
};

}  // namespace

at::Tensor recomputed(const Body& body, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> sources = inputs;
  sources.insert(sources.end(), parameters.begin(), parameters.end());
  at::Tensor result;
  {
    const at::NoGradGuard without_graph;
    result = body(inputs);
  }
  if (!at::GradMode::is_enabled() || !torch::autograd::any_variable_requires_grad(sources)) return result;
  const std::shared_ptr<RecomputeNode> node(new RecomputeNode(body, inputs, parameters),
                                            torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(sources));
  torch::autograd::set_history(result, node);
  return result;
}

}  // namespace fastermask
