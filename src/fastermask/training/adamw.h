// Adam with decoupled weight decay (arXiv:1711.05101), as torch.optim.AdamW computes it:
//   p -= rate decay p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   p -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
#pragma once

#include <string>

#include "fastermask/training/optimizer.h"

namespace fastermask {

class AdamW : public Optimizer {
 public:
  // As Optimizer; reads also SOLVER.BETAS and SOLVER.EPS.
  AdamW(const ParameterStore& parameters, const SolverConfig& solver) : Optimizer(parameters, solver) {}

 private:
  void update_stretch(const Stretch& stretch) const override;
  void update_tensor(Entry& entry, const at::Tensor& gradient, double rate) const override;
  std::string first_buffer() const override { return "exp_avg"; }
  std::string second_buffer() const override { return "exp_avg_sq"; }
  void add_group_settings(PickleValue& group) const override;
};

}  // namespace fastermask
