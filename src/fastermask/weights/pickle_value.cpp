// PickleValue: Python values as handles on shared nodes.
#include "fastermask/weights/pickle.h"

#include <utility>

namespace fastermask {
namespace {

const char* pickle_kind_name(PickleValue::Kind kind) {
  using Kind = PickleValue::Kind;
  switch (kind) {
    case Kind::none: return "None";
    case Kind::boolean: return "bool";
    case Kind::integer:
    case Kind::big_integer: return "int";
    case Kind::real: return "float";
    case Kind::string: return "str";
    case Kind::bytes: return "bytes";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::set: return "set";
    case Kind::dict: return "dict";
    case Kind::array: return "array";
    case Kind::storage: return "storage";
    case Kind::object: return "object";
  }
  return "?";
}

PickleValue make_pickle_node(PickleValue::Kind kind, std::string text = {}) {
  auto node = std::make_shared<PickleNode>();
  node->kind = kind;
  node->text = std::move(text);
  return PickleValue(std::move(node));
}

// The key under which a dict's index knows an entry; "" for keys that are not indexed (tuples and the like).
std::string pickle_index_key(const PickleValue& key) {
  switch (key.kind()) {
    case PickleValue::Kind::string: return "s" + key.text();
    case PickleValue::Kind::integer: return "i" + std::to_string(key.as_int());
    default: return "";
  }
}

const std::string kNoPickleText;

}  // namespace

PickleValue::PickleValue(std::shared_ptr<PickleNode> node) : value_(std::move(node)) {}

PickleValue PickleValue::boolean(bool value) {
  PickleValue result;
  result.value_ = value;
  return result;
}

PickleValue PickleValue::integer(std::int64_t value) {
  PickleValue result;
  result.value_ = value;
  return result;
}

PickleValue PickleValue::real(double value) {
  PickleValue result;
  result.value_ = value;
  return result;
}

PickleValue PickleValue::string(std::string value) { return make_pickle_node(Kind::string, std::move(value)); }
PickleValue PickleValue::bytes(std::string value) { return make_pickle_node(Kind::bytes, std::move(value)); }
PickleValue PickleValue::dict() { return make_pickle_node(Kind::dict); }
PickleValue PickleValue::ordered_dict() { return make_pickle_node(Kind::dict, "collections.OrderedDict"); }

PickleValue PickleValue::list(std::vector<PickleValue> items) {
  PickleValue result = make_pickle_node(Kind::list);
  result.node()->items = std::move(items);
  return result;
}

PickleValue PickleValue::tuple(std::vector<PickleValue> items) {
  PickleValue result = make_pickle_node(Kind::tuple);
  result.node()->items = std::move(items);
  return result;
}

PickleValue PickleValue::array(NDArray array) {
  PickleValue result = make_pickle_node(Kind::array);
  result.node()->array = std::make_shared<NDArray>(std::move(array));
  return result;
}

PickleValue PickleValue::state_dict(const NamedArrays& arrays) {
  PickleValue result = ordered_dict();
  for (const auto& [name, array] : arrays) result.set(name, PickleValue::array(array));
  return result;
}

PickleValue::Kind PickleValue::kind() const {
  switch (value_.index()) {
    case 0: return Kind::none;
    case 1: return Kind::boolean;
    case 2: return Kind::integer;
    case 3: return Kind::real;
    default: return node()->kind;
  }
}

const std::shared_ptr<PickleNode>& PickleValue::node() const {
  static const std::shared_ptr<PickleNode> nothing;
  const auto* node = std::get_if<std::shared_ptr<PickleNode>>(&value_);
  return node == nullptr ? nothing : *node;
}

bool PickleValue::as_bool() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  return as_int() != 0;
}

std::int64_t PickleValue::as_int() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value ? 1 : 0;
  if (const std::int64_t* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (kind() == Kind::array && as_array().size() == 1 && as_array().dtype != DType::float32 &&
      as_array().dtype != DType::float64 && as_array().dtype != DType::float16 && as_array().dtype != DType::bfloat16) {
    return as_array().to_integers()[0];
  }
  fail<WeightsError>("weights: expected an int, got {}", describe());
}

double PickleValue::as_double() const {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (kind() == Kind::array && as_array().size() == 1) {
    if (as_array().dtype == DType::float64) return *as_array().data<double>();
    return static_cast<double>(as_array().to_floats()[0]);
  }
  if (kind() == Kind::boolean || kind() == Kind::integer) return static_cast<double>(as_int());
  fail<WeightsError>("weights: expected a number, got {}", describe());
}

const std::string& PickleValue::text() const {
  const Kind k = kind();
  if (k != Kind::string && k != Kind::bytes && k != Kind::big_integer) {
    fail<WeightsError>("weights: expected a str, got {}", describe());
  }
  return node()->text;
}

const std::vector<PickleValue>& PickleValue::items() const {
  const Kind k = kind();
  if (k != Kind::list && k != Kind::tuple && k != Kind::set && k != Kind::object) {
    fail<WeightsError>("weights: expected a list, got {}", describe());
  }
  return node()->items;
}

const std::vector<PickleEntry>& PickleValue::entries() const {
  if (!is_dict()) fail<WeightsError>("weights: expected a dict, got {}", describe());
  return node()->entries;
}

const NDArray& PickleValue::as_array() const { return *shared_array(); }

std::shared_ptr<NDArray> PickleValue::shared_array() const {
  if (!is_array()) fail<WeightsError>("weights: expected an array, got {}", describe());
  return node()->array;
}

const std::string& PickleValue::type_name() const {
  return kind() == Kind::dict || kind() == Kind::object ? node()->text : kNoPickleText;
}

const PickleValue* PickleValue::find(std::string_view key) const {
  if (!is_dict()) return nullptr;
  const auto found = node()->index.find("s" + std::string(key));
  return found == node()->index.end() ? nullptr : &node()->entries[found->second].value;
}

const PickleValue& PickleValue::at(std::string_view key) const {
  const PickleValue* value = find(key);
  if (value == nullptr) fail<WeightsError>("weights: expected a dict with the key '{}', got {}", key, describe());
  return *value;
}

void PickleValue::set(const std::string& key, PickleValue value) { set(PickleValue::string(key), std::move(value)); }

void PickleValue::set(const PickleValue& key, PickleValue value) {
  if (!is_dict()) fail<WeightsError>("weights: expected a dict to put a value into, got {}", describe());
  PickleNode& dict = *node();
  const std::string index_key = pickle_index_key(key);
  if (!index_key.empty()) {
    const auto [position, is_new] = dict.index.try_emplace(index_key, dict.entries.size());
    if (!is_new) {
      dict.entries[position->second].value = std::move(value);
      return;
    }
  }
  dict.entries.push_back({key, std::move(value)});
}

void PickleValue::push_back(PickleValue value) {
  if (kind() != Kind::list) fail<WeightsError>("weights: expected a list to add to, got {}", describe());
  node()->items.push_back(std::move(value));
}

PickleValue PickleValue::attribute(std::string_view name) const {
  if (node() == nullptr) return {};
  const PickleValue* value = node()->state.find(name);
  return value == nullptr ? PickleValue() : *value;
}

void PickleValue::set_attribute(const std::string& name, PickleValue value) {
  if (!is_dict() && kind() != Kind::object) {
    fail<WeightsError>("weights: expected an OrderedDict or object to set an attribute of, got {}", describe());
  }
  if (!node()->state.is_dict()) node()->state = PickleValue::dict();
  node()->state.set(name, std::move(value));
}

std::string PickleValue::describe() const {
  const Kind k = kind();
  switch (k) {
    case Kind::boolean: return as_bool() ? "True" : "False";
    case Kind::integer: return std::to_string(as_int());
    case Kind::real: return fmt::format("{}", as_double());
    case Kind::string: {
      const std::string& content = node()->text;
      return content.size() <= 60 ? "'" + content + "'" : "'" + content.substr(0, 57) + "...'";
    }
    case Kind::bytes: return fmt::format("bytes of {}", node()->text.size());
    case Kind::list:
    case Kind::tuple:
    case Kind::set: return fmt::format("{} of {}", pickle_kind_name(k), node()->items.size());
    case Kind::dict: return fmt::format("dict of {}", node()->entries.size());
    case Kind::array: return fmt::format("array {} {}", dtype_name(as_array().dtype), to_string(as_array().shape));
    case Kind::object: return fmt::format("object {}", node()->text);
    default: return pickle_kind_name(k);
  }
}

}  // namespace fastermask
