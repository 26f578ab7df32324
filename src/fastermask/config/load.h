// Reading configs from YAML files and the command line, and writing them.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/config.h"

namespace fastermask {

// The defaults, overridden by a YAML file (see read rules below), overridden by KEY VALUE pairs, and checked.
//
//   path                 YAML file, found as resolve_config_path does; "" for the defaults alone
//   key_value_overrides  {"SOLVER.BASE_LR", "0.01", ...}; values as Python literals, anything else is a plain word
//
// YAML rules are detectron2's: `_BASE_` names a file (or list of files) to start from, relative to the file it is in,
// or absolute, or with "~"; lists and tuples are the same, also when a tuple is written as a string; unknown keys are
// errors. Beyond detectron2, whole numbers do for floats, and a single value for a list of one. Files of VERSION 1, or
// without one, may use the old key names, with a warning.
//
// Throws ConfigError ("config: KEY must be ..., got ... (file:line)" or "(command line)").
Config load_config(const std::string& path, const std::vector<std::string>& key_value_overrides = {});

// A config from YAML text, such as dump_config() gave; `name` is what errors call it. Throws ConfigError.
Config parse_config(const std::string& text, const std::string& name);

// Overrides keys of an existing config, and checks the values. Throws ConfigError; then `config` is unchanged.
void merge_overrides(Config& config, const std::vector<std::string>& key_value_overrides);

// Checks every value, as load_config does: for configs changed in code. Throws ConfigError.
void check_config(const Config& config);

// The whole config as YAML in detectron2's layout (keys sorted, tuples as lists): its own loader and load_config read
// it back to equal values. Keys that detectron2 lacks are left out where they have their defaults.
std::string dump_config(const Config& config);

// The same with only those keys that differ from the defaults; "" when none does.
std::string dump_config_differences(const Config& config);

// The YAML file that `name` means: the file itself when there is one, else that path below the folder of configs that
// comes with FasterMask: $FASTERMASK_CONFIGS, <program>/../share/fastermask/configs, or the source tree's. A leading
// "configs/" may be left out, and so may ".yaml". Throws ConfigError, with the nearest name as a hint.
std::string resolve_config_path(const std::string& name);

// One key of the tree, for tables, completion and documentation.
struct KeyInfo {
  std::string name;           // MODEL.RPN.NMS_THRESH
  std::string type;           // "float"
  std::string default_value;  // as in YAML, in one line
  std::string allowed;        // "in [0, 1]"; "" for anything of the type
  std::string doc;            // one sentence
};

// All keys in the order of their declaration.
std::vector<KeyInfo> all_config_keys();

// docs/config.md: all keys as tables.
std::string config_reference_markdown();

}  // namespace fastermask
