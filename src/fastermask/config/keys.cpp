#include "fastermask/config/keys.h"

#include <algorithm>

namespace fastermask {
namespace {

// The visitor that config.h's visit() functions see: notes every key with its full name.
class KeyCollector {
 public:
  explicit KeyCollector(std::vector<ConfigKey>& keys) : keys_(keys) {}

  template <class T>
  void operator()(const char* name, T& member, Check check, const char* doc) {
    keys_.push_back({prefix_ + name, KeySlot(&member), std::move(check), doc});
  }

  template <class S>
  void section(const char* name, S& members) {
    const std::string outer = prefix_;
    prefix_ += std::string(name) + ".";
    members.visit(*this);
    prefix_ = outer;
  }

 private:
  std::vector<ConfigKey>& keys_;
  std::string prefix_;
};

struct TypePhrase {
  std::string operator()(const bool*) const { return "True or False"; }
  std::string operator()(const int*) const { return "an integer"; }
  std::string operator()(const std::int64_t*) const { return "an integer"; }
  std::string operator()(const double*) const { return "a number"; }
  std::string operator()(const std::string*) const { return "a word"; }
  std::string operator()(const std::optional<double>*) const { return "a number or null"; }
  std::string operator()(const std::vector<bool>*) const { return "a list of True or False"; }
  std::string operator()(const std::vector<int>*) const { return "a list of integers"; }
  std::string operator()(const std::vector<double>*) const { return "a list of numbers"; }
  std::string operator()(const std::vector<std::string>*) const { return "a list of words"; }
  std::string operator()(const std::vector<std::vector<double>>*) const { return "a list of lists of numbers"; }
  std::string operator()(const std::vector<ExpectedResult>*) const {
    return "a list of [task, metric, value, tolerance]";
  }
};

}  // namespace

std::vector<ConfigKey> config_keys(Config& config) {
  std::vector<ConfigKey> keys;
  KeyCollector collector(keys);
  config.visit(collector);
  return keys;
}

const ConfigKey* find_key(const std::vector<ConfigKey>& keys, const std::string& name) {
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const ConfigKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

std::string type_phrase(const KeySlot& slot) { return std::visit(TypePhrase{}, slot); }

bool same_value(const KeySlot& a, const KeySlot& b) {
  return std::visit(
      [&](auto* value) {
        const auto* const* other = std::get_if<decltype(value)>(&b);
        return other != nullptr && *value == **other;
      },
      a);
}

std::string in_parentheses(const std::string& where) { return where.empty() ? "" : " (" + where + ")"; }

}  // namespace fastermask
