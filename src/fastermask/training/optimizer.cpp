#include "fastermask/training/optimizer.h"

#include <map>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/training/adamw.h"
#include "fastermask/training/sgd.h"

namespace fastermask {

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
