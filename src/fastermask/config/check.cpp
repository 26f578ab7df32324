// Whether a key's value is one it may have, and what to say if it is not.
#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/config/keys.h"

namespace fastermask {
namespace {

std::string number_text(double number) { return fmt::format("{}", number); }

bool passes(const Check& check, double number) {
  if (std::isnan(number) || number > check.maximum) return false;
  if (!check.choices.empty()) {
    return std::find(check.choices.begin(), check.choices.end(), number_text(number)) != check.choices.end();
  }
  return check.above_minimum ? number > check.minimum : number >= check.minimum;
}

bool passes(const Check& check, const std::string& word) {
  return check.choices.empty() || std::find(check.choices.begin(), check.choices.end(), word) != check.choices.end();
}

bool passes(const Check&, bool) { return true; }
bool passes(const Check&, const ExpectedResult&) { return true; }
bool passes(const Check& check, int number) { return passes(check, static_cast<double>(number)); }
bool passes(const Check& check, std::int64_t number) { return passes(check, static_cast<double>(number)); }
bool passes(const Check& check, const std::optional<double>& number) { return !number || passes(check, *number); }

template <class T>
bool passes(const Check& check, const std::vector<T>& list) {
  for (const T& element : list) {
    if (!passes(check, element)) return false;
  }
  return true;
}

template <class T>
bool length_fits(const Check&, const T&) {
  return true;
}

template <class T>
bool length_fits(const Check& check, const std::vector<T>& list) {
  if (list.empty()) return check.may_be_empty && check.exact_length <= 0;
  return check.exact_length < 0 || list.size() == static_cast<std::size_t>(check.exact_length);
}

bool length_fits(const Check& check, const std::vector<std::vector<double>>& lists) {
  if (lists.empty()) return check.may_be_empty;
  return std::all_of(lists.begin(), lists.end(), [&](const auto& list) {
    return !list.empty() && (check.exact_length < 0 || list.size() == static_cast<std::size_t>(check.exact_length));
  });
}

std::string list_choices(const std::vector<std::string>& choices, const char* last_word) {
  std::vector<std::string> parts;
  for (const std::string& choice : choices) parts.push_back(choice.empty() ? "''" : choice);
  if (parts.size() == 1) return parts[0];
  const std::string last = parts.back();
  parts.pop_back();
  return join(parts, ", ") + " " + last_word + " " + last;
}

std::string length_phrase(const Check& check) {
  if (check.exact_length >= 0) return fmt::format("of length {}", check.exact_length);
  return check.may_be_empty ? "" : "not empty";
}

[[noreturn]] void fail_not_supported(const ConfigKey& key, const std::string& where) {
  const bool is_word = std::holds_alternative<std::string*>(key.slot);
  const std::string value = is_word ? *std::get<std::string*>(key.slot) : format_slot(key.slot, key.check);
  const std::string reason = key.check.only_default.empty()
                                 ? "FasterMask has " + list_choices(key.check.choices, "and")
                                 : "FasterMask does not have " + key.check.only_default;
  fail<ConfigError>("config: {}: not supported: {} ({}){}", key.name, value, reason, in_parentheses(where));
}

}  // namespace

std::string allowed_phrase(const Check& check) {
  if (!check.choices.empty()) return list_choices(check.choices, "or");
  const bool bounded_below = std::isfinite(check.minimum);
  if (std::isfinite(check.maximum) && bounded_below) {
    return fmt::format("in [{}, {}]", number_text(check.minimum), number_text(check.maximum));
  }
  if (!bounded_below) return "";
  return fmt::format("{} {}", check.above_minimum ? "above" : "at least", number_text(check.minimum));
}

void check_key(const ConfigKey& key, const KeySlot& default_slot, const std::string& where) {
  if (!key.check.only_default.empty()) {
    if (!same_value(key.slot, default_slot)) fail_not_supported(key, where);
    return;
  }
  const bool fits = std::visit([&](const auto* value) { return length_fits(key.check, *value); }, key.slot);
  if (!fits) {
    fail<ConfigError>("config: {} must be {}, got {}{}", key.name, length_phrase(key.check),
                      format_slot(key.slot, key.check), in_parentheses(where));
  }
  if (std::visit([&](const auto* value) { return passes(key.check, *value); }, key.slot)) return;
  if (key.check.choices_are_components) fail_not_supported(key, where);
  const bool is_word = std::holds_alternative<std::string*>(key.slot);
  const std::string hint = is_word ? did_you_mean(*std::get<std::string*>(key.slot), key.check.choices) : "";
  fail<ConfigError>("config: {} must be {}, got {}{}{}", key.name, allowed_phrase(key.check),
                    format_slot(key.slot, key.check), in_parentheses(where), hint);
}

}  // namespace fastermask
