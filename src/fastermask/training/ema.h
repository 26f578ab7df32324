// An exponential moving average of a model's values, which often detects better than the values themselves.
#pragma once

#include <map>
#include <string>

#include "fastermask/structures/ndarray.h"
#include "fastermask/training/parameter_store.h"

namespace fastermask {

class ModelEma {
 public:
  // Starts from the store's present values. `parameters` must outlive it.
  ModelEma(ParameterStore& parameters, double decay);

  // After every step: average = decay * average + (1 - decay) * value, for parameters and running statistics.
  void update();

  // Exchanges the averages and the model's values; twice gives everything back. See EmaScope.
  void swap();

  // The averages by name, and taking them back. Throws WeightsError when names or shapes differ from the model's.
  NamedArrays state() const;
  void load_state(const NamedArrays& arrays);

 private:
  ParameterStore& parameters_;
  double decay_;
  std::vector<at::Tensor> averages_;  // in the store's order
};

// While it lives, the model has the averaged values. A null average changes nothing.
class EmaScope {
 public:
  explicit EmaScope(ModelEma* ema) : ema_(ema) {
    if (ema_ != nullptr) ema_->swap();
  }
  ~EmaScope() {
    if (ema_ != nullptr) ema_->swap();
  }
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  ModelEma* ema_;
};

}  // namespace fastermask
