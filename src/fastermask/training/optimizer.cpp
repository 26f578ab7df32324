#include "fastermask/training/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/training/adamw.h"
#include "fastermask/training/sgd.h"

namespace fastermask {
namespace {

// The gradient in the memory order of its parameter, so that one loop can walk both.
at::Tensor aligned_gradient(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

}  // namespace

Optimizer::Optimizer(const ParameterStore& parameters, const SolverConfig& solver) : solver_(solver) {
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

void Optimizer::zero_grad() {
  for (Entry& entry : entries_) entry.parameter.mutable_grad().reset();
}

void Optimizer::scale_gradients(double factor) {
  if (factor == 1) return;
  for (Entry& entry : entries_) {
    if (entry.parameter.grad().defined()) entry.parameter.mutable_grad().mul_(factor);
  }
}

std::string Optimizer::non_finite_gradient() const {
  for (const Entry& entry : entries_) {
    const at::Tensor& gradient = entry.parameter.grad();
    // A sum is finite only when every term is (or the sum itself overflows, which is as bad): one pass, no copy.
    if (gradient.defined() && !std::isfinite(gradient.sum().item<double>())) return entry.name;
  }
  return "";
}

void Optimizer::clip_gradients() {
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
  scale_gradients(scale_to(largest ? total : std::pow(total, 1.0 / clip.norm_type)));
}

void Optimizer::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  clip_gradients();
  ++steps_;
  for (Entry& entry : entries_) {
    if (!entry.parameter.grad().defined()) continue;
    if (!entry.first.defined()) entry.first = at::zeros_like(entry.parameter);
    if (!entry.second.defined() && !second_buffer().empty()) entry.second = at::zeros_like(entry.parameter);
    update(entry, aligned_gradient(entry.parameter), learning_rate * entry.rate_factor);
  }
}

PickleValue Optimizer::state(double learning_rate) const {
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
    if (!entry.first.defined()) continue;
    PickleValue buffer = PickleValue::dict();
    if (!second_buffer().empty()) buffer.set("step", PickleValue::integer(steps_));
    buffer.set(first_buffer(), PickleValue::array(to_array(entry.first)));
    if (!second_buffer().empty()) buffer.set(second_buffer(), PickleValue::array(to_array(entry.second)));
    buffers.set(PickleValue::integer(static_cast<std::int64_t>(i)), std::move(buffer));
  }
  PickleValue groups = PickleValue::list();
  for (const auto& key : order) {
    PickleValue group = PickleValue::dict();
    group.set("lr", PickleValue::real(learning_rate * key.first));
    add_group_settings(group);
    group.set("weight_decay", PickleValue::real(key.second));
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

bool Optimizer::load_state(const PickleValue& state) {
  std::map<std::string, std::size_t> index_of_name;
  for (std::size_t i = 0; i < entries_.size(); ++i) index_of_name.emplace(entries_[i].name, i);
  std::map<std::int64_t, std::size_t> index_of_number;
  for (const PickleValue& group : state.at("param_groups").items()) {
    const PickleValue* names = group.find("param_names");
    if (names == nullptr) return false;
    const std::vector<PickleValue>& numbers = group.at("params").items();
    if (numbers.size() != names->items().size()) {
      fail<WeightsError>("checkpoint: an optimizer group names {} of {} parameters", names->items().size(),
                         numbers.size());
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const std::string& name = names->items()[i].text();
      const auto it = index_of_name.find(name);
      if (it == index_of_name.end()) fail<WeightsError>("checkpoint: the model does not train '{}'", name);
      index_of_number[numbers[i].as_int()] = it->second;
    }
  }
  const auto take = [](const PickleValue& buffer, const std::string& key, const Entry& entry, at::Tensor& target) {
    const PickleValue* value = key.empty() ? nullptr : buffer.find(key);
    if (value == nullptr || value->is_none()) return;
    const NDArray& array = value->as_array();
    if (array.shape != entry.parameter.sizes().vec()) {
      fail<WeightsError>("checkpoint: the optimizer's {} of {} is {}, the parameter {}", key, entry.name,
                         to_string(array.shape), to_string(Shape(entry.parameter.sizes().vec())));
    }
    target = at::empty_like(entry.parameter.detach()).copy_(to_tensor(array));
  };
  for (const PickleEntry& buffer : state.at("state").entries()) {
    const auto it = index_of_number.find(buffer.key.as_int());
    if (it == index_of_number.end()) {
      fail<WeightsError>("checkpoint: the optimizer has no parameter {}", buffer.key.as_int());
    }
    Entry& entry = entries_[it->second];
    if (buffer.value.find(first_buffer()) == nullptr) {
      fail<WeightsError>(
          "checkpoint: the optimizer's state of {} has no '{}': it is another optimizer's (see SOLVER.OPTIMIZER)",
          entry.name, first_buffer());
    }
    take(buffer.value, first_buffer(), entry, entry.first);
    take(buffer.value, second_buffer(), entry, entry.second);
    if (const PickleValue* step = buffer.value.find("step")) steps_ = step->as_int();
  }
  return true;
}

std::unique_ptr<Optimizer> make_optimizer(const ParameterStore& parameters, const SolverConfig& solver) {
  if (solver.optimizer == "SGD") return std::make_unique<Sgd>(parameters, solver);
  if (solver.optimizer == "AdamW") return std::make_unique<AdamW>(parameters, solver);
  fail<ConfigError>("config: SOLVER.OPTIMIZER: not supported: '{}'", solver.optimizer);
}

}  // namespace fastermask
