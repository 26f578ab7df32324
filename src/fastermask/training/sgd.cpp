#include "fastermask/training/sgd.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

// The gradient in the memory order of its parameter, so that one loop can walk both.
at::Tensor aligned_gradient(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

// One pass over a parameter: reads gradient, momentum and value once, writes the last two once.
void update(float* value, float* momentum, const float* gradient, std::int64_t count, float rate, float decay, float mu,
            bool nesterov) {
  parallel_for(0, count, 1 << 15, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float decayed = gradient[i] + decay * value[i];
      momentum[i] = mu * momentum[i] + decayed;
      value[i] -= rate * (nesterov ? decayed + mu * momentum[i] : momentum[i]);
    }
  });
}

}  // namespace

Sgd::Sgd(const ParameterStore& parameters, const SolverConfig& solver) : solver_(solver) {
  for (const StoredParameter& stored : parameters.all()) {
    if (!stored.info.trainable) continue;
    Entry entry;
    entry.name = stored.info.name;
    entry.parameter = stored.tensor;
    entry.weight_decay = solver.weight_decay;
    switch (stored.info.role) {
      case ParameterRole::norm_weight:
      case ParameterRole::norm_bias: entry.weight_decay = solver.weight_decay_norm; break;
      case ParameterRole::bias:
        entry.rate_factor = solver.bias_lr_factor;
        entry.weight_decay = solver.weight_decay_bias.value_or(solver.weight_decay);
        break;
      case ParameterRole::weight:
      case ParameterRole::running_statistic: break;
    }
    entries_.push_back(std::move(entry));
  }
}

void Sgd::zero_grad() {
  for (Entry& entry : entries_) entry.parameter.mutable_grad().reset();
}

void Sgd::clip_gradients() {
  const ClipGradientsConfig& clip = solver_.clip_gradients;
  if (!clip.enabled) return;
  const auto scale_to = [&clip](double norm) { return std::min(1.0, clip.clip_value / (norm + 1e-6)); };
  double total = 0;
  const bool largest = std::isinf(clip.norm_type);
  for (Entry& entry : entries_) {
    at::Tensor& gradient = entry.parameter.mutable_grad();
    if (!gradient.defined()) continue;
    if (clip.clip_type == "value") {
      gradient.clamp_(-clip.clip_value, clip.clip_value);
      continue;
    }
    const double norm = gradient.norm(clip.norm_type).item<double>();
    if (clip.clip_type == "norm") gradient.mul_(scale_to(norm));
    total = largest ? std::max(total, norm) : total + std::pow(norm, clip.norm_type);
  }
  if (clip.clip_type != "full_model") return;
  const double scale = scale_to(largest ? total : std::pow(total, 1.0 / clip.norm_type));
  if (scale >= 1) return;
  for (Entry& entry : entries_) {
    if (entry.parameter.grad().defined()) entry.parameter.mutable_grad().mul_(scale);
  }
}

void Sgd::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  clip_gradients();
  for (Entry& entry : entries_) {
    if (!entry.parameter.grad().defined()) continue;
    const at::Tensor gradient = aligned_gradient(entry.parameter);
    if (!entry.momentum.defined()) entry.momentum = at::zeros_like(entry.parameter);
    update(entry.parameter.data_ptr<float>(), entry.momentum.data_ptr<float>(), gradient.data_ptr<float>(),
           entry.parameter.numel(), static_cast<float>(learning_rate * entry.rate_factor),
           static_cast<float>(entry.weight_decay), static_cast<float>(solver_.momentum), solver_.nesterov);
  }
}

PickleValue Sgd::state(double learning_rate) const {
  PickleValue buffers = PickleValue::dict();
  std::map<std::pair<double, double>, PickleValue> members;  // (rate factor, decay) -> list of parameter numbers
  std::map<std::pair<double, double>, PickleValue> names;    // likewise -> list of parameter names
  std::vector<std::pair<double, double>> order;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const auto key = std::make_pair(entry.rate_factor, entry.weight_decay);
    if (members.count(key) == 0) {
      members.emplace(key, PickleValue::list());
      names.emplace(key, PickleValue::list());
      order.push_back(key);
    }
    members.at(key).push_back(PickleValue::integer(static_cast<std::int64_t>(i)));
    names.at(key).push_back(PickleValue::string(entry.name));
    if (!entry.momentum.defined()) continue;
    PickleValue buffer = PickleValue::dict();
    buffer.set("momentum_buffer", PickleValue::array(to_array(entry.momentum)));
    buffers.set(PickleValue::integer(static_cast<std::int64_t>(i)), std::move(buffer));
  }
  PickleValue groups = PickleValue::list();
  for (const auto& key : order) {
    PickleValue group = PickleValue::dict();
    group.set("lr", PickleValue::real(learning_rate * key.first));
    group.set("momentum", PickleValue::real(solver_.momentum));
    group.set("dampening", PickleValue::integer(0));
    group.set("weight_decay", PickleValue::real(key.second));
    group.set("nesterov", PickleValue::boolean(solver_.nesterov));
    group.set("initial_lr", PickleValue::real(solver_.base_lr * key.first));
    group.set("params", members.at(key));
    group.set("param_names", names.at(key));
    groups.push_back(std::move(group));
  }
  PickleValue state = PickleValue::dict();
  state.set("state", std::move(buffers));
  state.set("param_groups", std::move(groups));
  return state;
}

bool Sgd::load_state(const PickleValue& state) {
  std::map<std::string, std::size_t> index_of_name;
  for (std::size_t i = 0; i < entries_.size(); ++i) index_of_name.emplace(entries_[i].name, i);
  std::map<std::int64_t, std::size_t> index_of_number;
  for (const PickleValue& group : state.at("param_groups").items()) {
    const PickleValue* names = group.find("param_names");
    if (names == nullptr) return false;
    const std::vector<PickleValue>& numbers = group.at("params").items();
    if (numbers.size() != names->items().size()) fail<WeightsError>("checkpoint: an optimizer group names {} of {} parameters", names->items().size(), numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto it = index_of_name.find(names->items()[i].text());
      if (it == index_of_name.end()) fail<WeightsError>("checkpoint: the model does not train '{}'", names->items()[i].text());
      index_of_number[numbers[i].as_int()] = it->second;
    }
  }
  for (const PickleEntry& buffer : state.at("state").entries()) {
    const auto it = index_of_number.find(buffer.key.as_int());
    if (it == index_of_number.end()) fail<WeightsError>("checkpoint: the optimizer has no parameter {}", buffer.key.as_int());
    const PickleValue* momentum = buffer.value.find("momentum_buffer");
    if (momentum == nullptr || momentum->is_none()) continue;
    Entry& entry = entries_[it->second];
    const NDArray& array = momentum->as_array();
    if (array.shape != entry.parameter.sizes().vec()) {
      fail<WeightsError>("checkpoint: the optimizer's momentum of {} is {}, the parameter {}", entry.name,
                         to_string(array.shape), to_string(Shape(entry.parameter.sizes().vec())));
    }
    entry.momentum = at::empty_like(entry.parameter.detach()).copy_(to_tensor(array));
  }
  return true;
}

}  // namespace fastermask
