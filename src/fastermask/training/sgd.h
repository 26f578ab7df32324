// Stochastic gradient descent as detectron2 configures PyTorch's: v = momentum v + g + decay p; p -= rate v (or with
// Nesterov p -= rate (g + decay p + momentum v)).
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/training/parameter_store.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {

class Sgd {
 public:
  // Optimises the trainable parameters of the store, which must outlive it. Rates and decays per parameter: norms get
  // WEIGHT_DECAY_NORM, biases BIAS_LR_FACTOR and WEIGHT_DECAY_BIAS, the rest WEIGHT_DECAY.
  Sgd(const ParameterStore& parameters, const SolverConfig& solver);

  // One step at this learning rate with the gradients there are; parameters without a gradient stay as they are. Clips
  // gradients first, as SOLVER.CLIP_GRADIENTS says.
  void step(double learning_rate);

  // Drops all gradients.
  void zero_grad();

  // The state in the form of torch.optim.SGD.state_dict(); each group also lists its parameters' names, since numbers
  // alone depend on the order in which a program makes its layers.
  PickleValue state(double learning_rate) const;

  // Takes back what state() gave. False, changing nothing, for a state without names (another program wrote it). Throws
  // WeightsError when it does not fit the parameters.
  bool load_state(const PickleValue& state);

 private:
  struct Entry {
    std::string name;
    at::Tensor parameter;
    at::Tensor momentum;  // undefined before the first step
    double rate_factor = 1;
    double weight_decay = 0;
  };

  void clip_gradients();

  std::vector<Entry> entries_;
  SolverConfig solver_;
};

}  // namespace fastermask
