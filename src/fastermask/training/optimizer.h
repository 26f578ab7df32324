// What optimisers share: which parameters they train at which rate and decay, gradient clipping, and their state in
// PyTorch's form. detectron2 solver/build.py.
#pragma once

#include <algorithm>
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

  // One step at this learning rate with the gradients there are, clipped as SOLVER.CLIP_GRADIENTS says; parameters without
  // a gradient stay as they are. On CPUs one pass over all parameters, shared by all threads, which reads each gradient
  // once (clipping by norms reads it once before), and the same bits for every thread count.
  void step(double learning_rate);

  // Drops all gradients.
  void zero_grad();

  // Makes the next step() multiply all gradients by `factor`; the gradients themselves stay as they are.
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

  // Some neighbouring numbers of a parameter, of its gradient and of its state.
  struct Stretch {
    float* value = nullptr;
    float* first = nullptr;
    float* second = nullptr;  // null where the optimiser has no such buffer
    const float* gradient = nullptr;
    std::int64_t count = 0;
    double rate = 0;  // with the parameter's factor in it
    double weight_decay = 0;
    float factor = 1;  // that the gradient is multiplied with, before
    float limit = 0;   // its size is cut to this; may be infinite

    float gradient_at(std::int64_t i) const { return std::min(std::max(factor * gradient[i], -limit), limit); }
  };

  // One step of a stretch, on CPUs. Called by several threads at once.
  virtual void update_stretch(const Stretch& stretch) const = 0;

  // One step of one parameter on another device. `gradient` lies in memory as the parameter does, scaled and clipped;
  // `rate` has the parameter's factor in it.
  virtual void update_tensor(Entry& entry, const at::Tensor& gradient, double rate) const = 0;

  // The names under which PyTorch's optimiser keeps Entry::first and Entry::second ("" when there is no such buffer).
  virtual std::string first_buffer() const = 0;
  virtual std::string second_buffer() const { return ""; }

  // Settings of a parameter group besides lr, initial_lr, weight_decay and params.
  virtual void add_group_settings(PickleValue& group) const = 0;

  const SolverConfig& solver() const { return solver_; }

  std::int64_t steps_ = 0;  // done so far; stored as every parameter's "step" by optimisers that need it

 private:
  // Factors that clip gradients by norm, one an entry; 1 where clipping is off or by value.
  std::vector<double> clip_factors() const;
  std::vector<double> gradient_norms(double norm_type) const;  // one an entry; 0 without a gradient
  double value_limit() const;

  std::vector<Entry> entries_;
  double factor_ = 1;  // of gradients, in the next step
  SolverConfig solver_;
};

// The optimiser that SOLVER.OPTIMIZER names.
std::unique_ptr<Optimizer> make_optimizer(const ParameterStore& parameters, const SolverConfig& solver);

}  // namespace fastermask
