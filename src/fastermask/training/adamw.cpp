#include "fastermask/training/adamw.h"

#include <cmath>

namespace fastermask {

void AdamW::update_stretch(const Stretch& stretch) const {
  const double beta1 = solver().betas[0], beta2 = solver().betas[1];
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(steps_));
  const Stretch s = stretch;  // whose pointers nothing can change meanwhile
  const auto keep = static_cast<float>(1 - s.rate * s.weight_decay);
  const auto step = static_cast<float>(s.rate / correction1);
  const auto root_scale = static_cast<float>(1 / std::sqrt(correction2));
  const auto b1 = static_cast<float>(beta1), b2 = static_cast<float>(beta2), eps = static_cast<float>(solver().eps);
  for (std::int64_t i = 0; i < s.count; ++i) {
    const float g = s.gradient_at(i);
    s.first[i] = b1 * s.first[i] + (1 - b1) * g;
    s.second[i] = b2 * s.second[i] + (1 - b2) * g * g;
    s.value[i] = keep * s.value[i] - step * s.first[i] / (std::sqrt(s.second[i]) * root_scale + eps);
  }
}

void AdamW::update_tensor(Entry& entry, const at::Tensor& gradient, double rate) const {
  const double beta1 = solver().betas[0], beta2 = solver().betas[1];
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(steps_));
  entry.first.mul_(beta1).add_(gradient, 1 - beta1);
  entry.second.mul_(beta2).add_(gradient * gradient, 1 - beta2);
  const at::Tensor root = entry.second.sqrt() / std::sqrt(correction2) + solver().eps;
  entry.parameter.mul_(1 - rate * entry.weight_decay).sub_(entry.first / root * (rate / correction1));
}

void AdamW::add_group_settings(PickleValue& group) const {
  group.set("betas", PickleValue::tuple({PickleValue::real(solver().betas[0]), PickleValue::real(solver().betas[1])}));
  group.set("eps", PickleValue::real(solver().eps));
  group.set("amsgrad", PickleValue::boolean(false));
}

}  // namespace fastermask
