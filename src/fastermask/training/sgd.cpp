#include "fastermask/training/sgd.h"

namespace fastermask {

// Reads gradient, momentum and value once, writes the last two once.
void Sgd::update_stretch(const Stretch& stretch) const {
  const auto mu = static_cast<float>(solver().momentum);
  const auto rate = static_cast<float>(stretch.rate), decay = static_cast<float>(stretch.weight_decay);
  const bool nesterov = solver().nesterov;
  const Stretch s = stretch;  // whose pointers nothing can change meanwhile
  for (std::int64_t i = 0; i < s.count; ++i) {
    const float decayed = s.gradient_at(i) + decay * s.value[i];
    s.first[i] = mu * s.first[i] + decayed;
    s.value[i] -= rate * (nesterov ? decayed + mu * s.first[i] : s.first[i]);
  }
}

void Sgd::update_tensor(Entry& entry, const at::Tensor& gradient, double rate) const {
  const at::Tensor decayed = gradient + entry.parameter * entry.weight_decay;
  entry.first.mul_(solver().momentum).add_(decayed);
  entry.parameter.sub_((solver().nesterov ? decayed + entry.first * solver().momentum : entry.first) * rate);
}

void Sgd::add_group_settings(PickleValue& group) const {
  group.set("momentum", PickleValue::real(solver().momentum));
  group.set("dampening", PickleValue::integer(0));
  group.set("nesterov", PickleValue::boolean(solver().nesterov));
}

}  // namespace fastermask
