// The keys of a Config as a flat table: what config.h declares, made into data. Everything that reads, checks, writes
// or documents configs goes through it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "fastermask/config/check.h"
#include "fastermask/config/config.h"
#include "fastermask/config/config_value.h"

namespace fastermask {

using KeySlot =
    std::variant<bool*, int*, std::int64_t*, double*, std::string*, std::optional<double>*, std::vector<bool>*,
                 std::vector<int>*, std::vector<double>*, std::vector<std::string>*, std::vector<std::vector<double>>*,
                 std::vector<ExpectedResult>*>;

struct ConfigKey {
  std::string name;  // MODEL.RPN.NMS_THRESH
  KeySlot slot;      // the member of the Config the table was made from
  Check check;
  std::string doc;
};

// All keys in the order of their declaration, pointing into `config`.
std::vector<ConfigKey> config_keys(Config& config);

// The key of that name; nullptr when there is none.
const ConfigKey* find_key(const std::vector<ConfigKey>& keys, const std::string& name);

// What values of the slot's type are called in errors and tables: "an integer", "a list of numbers".
std::string type_phrase(const KeySlot& slot);

// Puts a written value into the slot, converting as YACS does and a bit beyond (load.h). False when it does not fit the
// type; the slot is unchanged then.
bool assign_value(const KeySlot& slot, const ConfigValue& value);

// The slot's value in one line, as in YAML's flow style: 0.7, [1, 2], "".
std::string format_slot(const KeySlot& slot, const Check& check);

// True when both slots hold equal values. They must be of the same key.
bool same_value(const KeySlot& a, const KeySlot& b);

// What the check asks for, as in "must be in [0, 1]": "in [0, 1]"; "" when it allows everything.
std::string allowed_phrase(const Check& check);

// Throws ConfigError unless the key's value passes its check. `where`, if any, is put at the end in parentheses.
// `default_slot` is the same key in a Config of defaults.
void check_key(const ConfigKey& key, const KeySlot& default_slot, const std::string& where);

// " (file:line)", or "" for nothing.
std::string in_parentheses(const std::string& where);

}  // namespace fastermask
