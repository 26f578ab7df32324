// From a written value to a key's member: YACS's conversions (lists and tuples are the same, strings are read as Python
// literals) and a few kinder ones (whole numbers for floats, one value for a list of one).
#include <limits>

#include "fastermask/base/text.h"
#include "fastermask/config/keys.h"

namespace fastermask {
namespace {

bool read_one(const ConfigValue& value, std::string& out) {
  if (value.kind == ConfigValue::Kind::list) return false;
  if (value.kind == ConfigValue::Kind::null) return out.clear(), true;
  out = value.text;
  if (value.quoted) return true;
  const std::optional<ConfigValue> literal = parse_python_literal(value.text);
  if (literal && literal->kind == ConfigValue::Kind::word && literal->quoted) out = literal->text;
  return true;
}

bool read_one(const ConfigValue& value, bool& out) {
  if (value.kind != ConfigValue::Kind::word) return false;
  const std::string lower = to_lower(value.text);
  const bool yes = lower == "true" || lower == "yes" || lower == "on";
  if (!yes && lower != "false" && lower != "no" && lower != "off") return false;
  out = yes;
  return true;
}

bool read_one(const ConfigValue& value, std::int64_t& out) {
  return value.kind == ConfigValue::Kind::word && parse_integer(value.text, out);
}

bool read_one(const ConfigValue& value, int& out) {
  std::int64_t wide = 0;
  if (!read_one(value, wide) || wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    return false;
  }
  out = static_cast<int>(wide);
  return true;
}

bool read_one(const ConfigValue& value, double& out) {
  if (value.kind != ConfigValue::Kind::word) return false;
  std::int64_t integer = 0;
  if (parse_integer(value.text, integer)) return out = static_cast<double>(integer), true;
  return parse_real(value.text, out);
}

bool read_one(const ConfigValue& value, std::optional<double>& out) {
  if (value.kind == ConfigValue::Kind::null || value.text == "None") return out.reset(), true;
  double number = 0;
  if (!read_one(value, number)) return false;
  out = number;
  return true;
}

bool read_one(const ConfigValue& value, ExpectedResult& out) {
  if (value.kind != ConfigValue::Kind::list || value.items.size() != 4) return false;
  return read_one(value.items[0], out.task) && read_one(value.items[1], out.metric) &&
         read_one(value.items[2], out.value) && read_one(value.items[3], out.tolerance);
}

// The value as a list: itself, the tuple its text spells, or a list of it alone. Nothing when the text only begins like
// a tuple: "(a.json:images,)" has lost its inner quotes.
std::optional<std::vector<ConfigValue>> as_list(const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::list) return value.items;
  if (value.kind == ConfigValue::Kind::null) return std::nullopt;
  std::optional<ConfigValue> literal = parse_python_literal(value.text);
  if (literal && literal->kind == ConfigValue::Kind::list) return std::move(literal->items);
  const std::string_view text = trim(value.text);
  if (text.empty() || (!value.quoted && (text[0] == '(' || text[0] == '['))) return std::nullopt;
  return std::vector<ConfigValue>{literal && literal->quoted ? *literal : value};
}

template <class T>
bool read_one(const ConfigValue& value, std::vector<T>& out) {
  const std::optional<std::vector<ConfigValue>> items = as_list(value);
  if (!items) return false;
  for (const ConfigValue& item : *items) {
    T element{};
    if (!read_one(item, element)) return false;
    out.push_back(std::move(element));
  }
  return true;
}

// A list of lists; a flat list is one list, as detectron2's anchor generator has it.
bool read_one(const ConfigValue& value, std::vector<std::vector<double>>& out) {
  const std::optional<std::vector<ConfigValue>> items = as_list(value);
  if (!items) return false;
  if (!items->empty() && items->front().kind == ConfigValue::Kind::word) return read_one(value, out.emplace_back());
  for (const ConfigValue& item : *items) {
    if (item.kind != ConfigValue::Kind::list || !read_one(item, out.emplace_back())) return false;
  }
  return true;
}

}  // namespace

bool assign_value(const KeySlot& slot, const ConfigValue& value) {
  return std::visit(
      [&](auto* member) {
        std::decay_t<decltype(*member)> fresh{};
        if (!read_one(value, fresh)) return false;
        *member = std::move(fresh);
        return true;
      },
      slot);
}

}  // namespace fastermask
