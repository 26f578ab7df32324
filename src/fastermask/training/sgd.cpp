#include "fastermask/training/sgd.h"

#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

// One pass over a parameter: reads gradient, momentum and value once, writes the last two once.
void sgd_step(float* value, float* momentum, const float* gradient, std::int64_t count, float rate, float decay,
              float mu, bool nesterov) {
  parallel_for(0, count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float decayed = gradient[i] + decay * value[i];
      momentum[i] = mu * momentum[i] + decayed;
      value[i] -= rate * (nesterov ? decayed + mu * momentum[i] : momentum[i]);
    }
  });
}

}  // namespace

void Sgd::update(Entry& entry, const at::Tensor& gradient, double rate) {
  if (!entry.parameter.is_cpu()) {
    const at::Tensor decayed = gradient + entry.parameter * entry.weight_decay;
    entry.first.mul_(solver().momentum).add_(decayed);
    entry.parameter.sub_((solver().nesterov ? decayed + entry.first * solver().momentum : entry.first) * rate);
    return;
  }
  sgd_step(entry.parameter.data_ptr<float>(), entry.first.data_ptr<float>(), gradient.data_ptr<float>(),
           entry.parameter.numel(), static_cast<float>(rate), static_cast<float>(entry.weight_decay),
           static_cast<float>(solver().momentum), solver().nesterov);
}

void Sgd::add_group_settings(PickleValue& group) const {
  group.set("momentum", PickleValue::real(solver().momentum));
  group.set("dampening", PickleValue::integer(0));
  group.set("nesterov", PickleValue::boolean(solver().nesterov));
}

}  // namespace fastermask
