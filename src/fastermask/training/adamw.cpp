#include "fastermask/training/adamw.h"

#include <cmath>

#include "fastermask/base/parallel.h"

namespace fastermask {

void AdamW::update(Entry& entry, const at::Tensor& gradient_tensor, double rate) {
  const double beta1 = solver().betas[0], beta2 = solver().betas[1];
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(beta2, static_cast<double>(steps_));
  if (!entry.parameter.is_cpu()) {
    entry.first.mul_(beta1).add_(gradient_tensor, 1 - beta1);
    entry.second.mul_(beta2).add_(gradient_tensor * gradient_tensor, 1 - beta2);
    const at::Tensor root = entry.second.sqrt() / std::sqrt(correction2) + solver().eps;
    entry.parameter.mul_(1 - rate * entry.weight_decay).sub_(entry.first / root * (rate / correction1));
    return;
  }
  const auto keep = static_cast<float>(1 - rate * entry.weight_decay);
  const auto step = static_cast<float>(rate / correction1);
  const auto root_scale = static_cast<float>(1 / std::sqrt(correction2));
  const auto b1 = static_cast<float>(beta1), b2 = static_cast<float>(beta2), eps = static_cast<float>(solver().eps);
  float* value = entry.parameter.data_ptr<float>();
  float* mean = entry.first.data_ptr<float>();
  float* square = entry.second.data_ptr<float>();
  const float* gradient = gradient_tensor.data_ptr<float>();
  parallel_for(0, entry.parameter.numel(), 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float g = gradient[i];
      mean[i] = b1 * mean[i] + (1 - b1) * g;
      square[i] = b2 * square[i] + (1 - b2) * g * g;
      value[i] = keep * value[i] - step * mean[i] / (std::sqrt(square[i]) * root_scale + eps);
    }
  });
}

void AdamW::add_group_settings(PickleValue& group) const {
  group.set("betas", PickleValue::tuple({PickleValue::real(solver().betas[0]), PickleValue::real(solver().betas[1])}));
  group.set("eps", PickleValue::real(solver().eps));
  group.set("amsgrad", PickleValue::boolean(false));
}

}  // namespace fastermask
