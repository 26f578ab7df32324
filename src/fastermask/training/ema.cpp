#include "fastermask/training/ema.h"

#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {

ModelEma::ModelEma(ParameterStore& parameters, double decay) : parameters_(parameters), decay_(decay) {
  for (const StoredParameter& stored : parameters.all()) averages_.push_back(stored.tensor.detach().clone());
}

void ModelEma::update() {
  const auto keep = static_cast<float>(decay_), take = static_cast<float>(1 - decay_);
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    if (!averages_[i].is_cpu()) {
      averages_[i].mul_(decay_).add_(parameters_.all()[i].tensor.detach(), 1 - decay_);
      continue;
    }
    const float* value = parameters_.all()[i].tensor.data_ptr<float>();
    float* average = averages_[i].data_ptr<float>();
    parallel_for(0, averages_[i].numel(), 1 << 15, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) average[k] = keep * average[k] + take * value[k];
    });
  }
}

void ModelEma::swap() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    at::Tensor value = parameters_.all()[i].tensor.detach();
    const at::Tensor kept = value.clone();
    value.copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
  parameters_.mark_changed();
}

NamedArrays ModelEma::state() const {
  NamedArrays arrays;
  for (std::size_t i = 0; i < averages_.size(); ++i) arrays[parameters_.all()[i].info.name] = to_array(averages_[i]);
  return arrays;
}

void ModelEma::load_state(const NamedArrays& arrays) {
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const std::string& name = parameters_.all()[i].info.name;
    const auto found = arrays.find(name);
    if (found == arrays.end()) fail<WeightsError>("checkpoint: the averaged model (ema_state) lacks '{}'", name);
    if (found->second.shape != averages_[i].sizes().vec()) {
      fail<WeightsError>("checkpoint: the average of {} is {}, the parameter {}", name, to_string(found->second.shape),
                         to_string(Shape(averages_[i].sizes().vec())));
    }
    averages_[i].copy_(to_tensor(found->second));
  }
}

}  // namespace fastermask
