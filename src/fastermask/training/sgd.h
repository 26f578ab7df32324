// Stochastic gradient descent as detectron2 configures PyTorch's: v = momentum v + g + decay p; p -= rate v (or with
// Nesterov p -= rate (g + decay p + momentum v)).
#pragma once

#include <string>

#include "fastermask/training/optimizer.h"

namespace fastermask {

class Sgd : public Optimizer {
 public:
  // As Optimizer; reads also SOLVER.MOMENTUM and SOLVER.NESTEROV.
  Sgd(const ParameterStore& parameters, const SolverConfig& solver) : Optimizer(parameters, solver) {}

 private:
  void update_stretch(const Stretch& stretch) const override;
  void update_tensor(Entry& entry, const at::Tensor& gradient, double rate) const override;
  std::string first_buffer() const override { return "momentum_buffer"; }
  void add_group_settings(PickleValue& group) const override;
};

}  // namespace fastermask
