// From the texts of INPUT.AUGMENTATIONS to specs, and the tables of the documentation.
#include <algorithm>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/config/augmentation_call.h"
#include "fastermask/config/augmentation_check.h"
#include "fastermask/config/augmentation_spec.h"
#include "fastermask/config/keys.h"

namespace fastermask {
namespace {

constexpr int kDeepestAugmentation = 4;  // RandomApply in RandomApply; the limit keeps hostile files off the stack

struct SpecParameter {
  ConfigKey key;                                    // its slot is empty for nested augmentations
  std::vector<AugmentationSpec>* nested = nullptr;  // RandomApply's
  bool required = false;
};

// The visitor that visit() functions of specs see.
class ParameterCollector {
 public:
  explicit ParameterCollector(std::vector<SpecParameter>& parameters) : parameters_(parameters) {}

  template <class T>
  void operator()(const char* name, T& member, Check check, const char* doc) {
    parameters_.push_back({{name, KeySlot(&member), std::move(check), doc}, nullptr, false});
  }
  template <class T>
  void required(const char* name, T& member, Check check, const char* doc) {
    (*this)(name, member, std::move(check), doc);
    parameters_.back().required = true;
  }
  void required(const char* name, std::vector<AugmentationSpec>& member, Check check, const char* doc) {
    parameters_.push_back({{name, KeySlot(static_cast<bool*>(nullptr)), std::move(check), doc}, &member, true});
  }

 private:
  std::vector<SpecParameter>& parameters_;
};

std::vector<SpecParameter> parameters_of(AugmentationSpec& spec) {
  std::vector<SpecParameter> parameters;
  ParameterCollector collector(parameters);
  std::visit([&](auto& value) { value.visit(collector); }, spec.value);
  return parameters;
}

template <std::size_t... I>
std::vector<AugmentationSpec> make_all_specs(std::index_sequence<I...>) {
  std::vector<AugmentationSpec> specs;
  (specs.emplace_back().value.template emplace<I>(), ...);
  return specs;
}

// One of each, with default parameters.
std::vector<AugmentationSpec> all_specs() {
  return make_all_specs(std::make_index_sequence<std::variant_size_v<decltype(AugmentationSpec::value)>>());
}

std::vector<std::string> parameter_names(const std::vector<SpecParameter>& parameters) {
  std::vector<std::string> names;
  for (const SpecParameter& parameter : parameters) names.push_back(parameter.key.name);
  return names;
}

// A literal, or else a word: sample_style=choice needs no quotes.
ConfigValue argument_value(const std::string& text) {
  if (std::optional<ConfigValue> literal = parse_python_literal(text)) return std::move(*literal);
  ConfigValue word;
  word.kind = ConfigValue::Kind::word;
  word.text = text;
  return word;
}

class AugmentationReader {
 public:
  AugmentationReader(std::string entry, const std::string& where)
      : entry_(std::move(entry)), where_(in_parentheses(where)), plain_where_(where) {}

  AugmentationSpec read(const std::string& text, int depth) const {
    const std::optional<Call> call = parse_call(text);
    if (!call) {
      fail<ConfigError>(
          "config: {} must be a call such as RandomFlip() or ResizeShortestEdge(short_edge_length=[640, 800], "
          "max_size=1333), got '{}'{}{}",
          entry_, text, where_,
          text.find('(') == std::string::npos || ends_with(text, ")")
              ? ""
              : "; in a YAML list written with [ ], put each entry in quotes");
    }
    AugmentationSpec spec = make(call->name);
    const std::vector<SpecParameter> parameters = parameters_of(spec);
    std::vector<bool> given(parameters.size());
    for (std::size_t i = 0; i < call->arguments.size(); ++i) {
      const CallArgument& argument = call->arguments[i];
      const std::size_t index =
          argument.name.empty() ? place_of(*call, parameters, i) : index_of(*call, parameters, argument.name);
      const std::string name = fmt::format("{}: {}.{}", entry_, call->name, parameters[index].key.name);
      if (given[index]) fail<ConfigError>("config: {} is given twice{}", name, where_);
      given[index] = true;
      assign(parameters[index], name, argument.text, depth);
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!parameters[i].required || given[i]) continue;
      fail<ConfigError>("config: {}: {} must be given '{}': {}{}", entry_, call->name, parameters[i].key.name,
                        parameters[i].key.doc, where_);
    }
    check_augmentation(spec, entry_, where_, depth > 0);
    return spec;
  }

 private:
  AugmentationSpec make(const std::string& name) const {
    std::vector<std::string> names;
    for (AugmentationSpec& spec : all_specs()) {
      names.emplace_back(std::visit([](const auto& value) { return value.kName; }, spec.value));
      if (names.back() == name) return std::move(spec);
    }
    fail<ConfigError>("config: {}: unknown augmentation '{}'{}{}; FasterMask has {}", entry_, name, where_,
                      did_you_mean(name, names), join(names, ", "));
  }

  std::size_t place_of(const Call& call, const std::vector<SpecParameter>& parameters, std::size_t i) const {
    if (i > 0 && !call.arguments[i - 1].name.empty()) {
      fail<ConfigError>("config: {}: {} has '{}' without a name after a named parameter{}", entry_, call.name,
                        call.arguments[i].text, where_);
    }
    if (i < parameters.size()) return i;
    fail<ConfigError>("config: {}: {} takes {} parameters ({}), got {}{}", entry_, call.name, parameters.size(),
                      join(parameter_names(parameters), ", "), call.arguments.size(), where_);
  }

  std::size_t index_of(const Call& call, const std::vector<SpecParameter>& parameters, const std::string& name) const {
    const std::vector<std::string> names = parameter_names(parameters);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    fail<ConfigError>("config: {}: {} has no parameter '{}'{}{}; it takes {}", entry_, call.name, name, where_,
                      did_you_mean(name, names), join(names, ", "));
  }

  void assign(const SpecParameter& parameter, const std::string& name, const std::string& text, int depth) const {
    if (parameter.nested != nullptr) {
      const auto calls = split_calls(text);
      if (!calls || calls->empty() || depth + 1 > kDeepestAugmentation) {
        fail<ConfigError>("config: {} must be an augmentation or a list of them, got '{}'{}", name, text, where_);
      }
      for (const std::string& call : *calls) parameter.nested->push_back(read(call, depth + 1));
      return;
    }
    const ConfigValue value = argument_value(text);
    if (!assign_value(parameter.key.slot, value)) {
      fail<ConfigError>("config: {} must be {}, got {}{}", name, type_phrase(parameter.key.slot), describe_value(value),
                        where_);
    }
    ConfigKey key = parameter.key;
    key.name = name;
    check_key(key, key.slot, plain_where_);
  }

  std::string entry_;  // INPUT.AUGMENTATIONS[0]
  std::string where_;  // " (file:line)", or ""
  std::string plain_where_;
};

std::string parameter_default(const SpecParameter& parameter) {
  if (parameter.required) return "*must be given*";
  const auto* number = std::get_if<int*>(&parameter.key.slot);
  if (number != nullptr && **number == std::numeric_limits<int>::max()) return "no limit";
  return "`" + format_slot(parameter.key.slot, parameter.key.check) + "`";
}

std::string parameter_allowed(const SpecParameter& parameter) {
  if (parameter.nested != nullptr) return "";
  std::string allowed = allowed_phrase(parameter.key.check);
  if (parameter.key.check.exact_length >= 0) {
    allowed += fmt::format("{}{} entries", allowed.empty() ? "" : ", ", parameter.key.check.exact_length);
  }
  return allowed;
}

}  // namespace

std::vector<AugmentationSpec> parse_augmentations(const std::vector<std::string>& entries, const std::string& where) {
  std::vector<AugmentationSpec> specs;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    specs.push_back(AugmentationReader(fmt::format("INPUT.AUGMENTATIONS[{}]", i), where).read(entries[i], 0));
  }
  return specs;
}

std::string augmentation_reference_markdown() {
  std::string page = "| augmentation | parameter | default | allowed | what it does |\n|---|---|---|---|---|\n";
  for (AugmentationSpec& spec : all_specs()) {
    std::visit([&](const auto& value) { page += fmt::format("| `{}` | | | | {} |\n", value.kName, value.kDoc); },
               spec.value);
    for (const SpecParameter& parameter : parameters_of(spec)) {
      page += fmt::format("| | `{}` | {} | {} | {} |\n", parameter.key.name, parameter_default(parameter),
                          parameter_allowed(parameter), parameter.key.doc);
    }
  }
  return page;
}

}  // namespace fastermask
