// What optimisers share: which parameters they train at which rate and decay, gradient clipping, and their state in
// PyTorch's form. detectron2 solver/build.py.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/training/parameter_store.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step at this learning rate with the gradients there are; parameters without a gradient stay as they are. Clips
  // gradients first, as SOLVER.CLIP_GRADIENTS says.
  void step(double learning_rate);

  // Drops all gradients.
  void zero_grad();

  // Multiplies all gradients by `factor`.
  void scale_gradients(double factor);

  // The name of the first parameter whose gradient is not finite everywhere; "" when all are.
  std::string non_finite_gradient() const;

  // The state in the form of torch.optim's state_dict(); each group also lists its parameters' names, since numbers
  // alone depend on the order in which a program makes its layers.
  PickleValue state(double learning_rate) const;

  // Takes back what state() gave. False, changing nothing, for a state without names (another program wrote it). Throws
  // WeightsError when it does not fit the parameters.
  bool load_state(const PickleValue& state);

 protected:
  struct Entry {
    std::string name;
    at::Tensor parameter;
    at::Tensor first;   // SGD's momentum, Adam's mean of gradients; undefined before the first step
    at::Tensor second;  // Adam's mean of squares
    double rate_factor = 1;
    double weight_decay = 0;
  };

  // Optimises the trainable parameters of the store, which must outlive it. Rates and decays per parameter: norms get
  // WEIGHT_DECAY_NORM, biases BIAS_LR_FACTOR and WEIGHT_DECAY_BIAS, the rest WEIGHT_DECAY.
  Optimizer(const ParameterStore& parameters, const SolverConfig& solver);

  // One step of one parameter. `gradient` lies in memory as the parameter does; `rate` has the parameter's factor in
  // it.
  virtual void update(Entry& entry, const at::Tensor& gradient, double rate) = 0;

  // The names under which PyTorch's optimiser keeps Entry::first and Entry::second ("" when there is no such buffer).
  virtual std::string first_buffer() const = 0;
  virtual std::string second_buffer() const { return ""; }

  // Settings of a parameter group besides lr, initial_lr, weight_decay and params.
  virtual void add_group_settings(PickleValue& group) const = 0;

  const SolverConfig& solver() const { return solver_; }

  std::int64_t steps_ = 0;  // done so far; stored as every parameter's "step" by optimisers that need it

 private:
  void clip_gradients();

  std::vector<Entry> entries_;
  SolverConfig solver_;
};

// The optimiser that SOLVER.OPTIMIZER names.
std::unique_ptr<Optimizer> make_optimizer(const ParameterStore& parameters, const SolverConfig& solver);

}  // namespace fastermask
