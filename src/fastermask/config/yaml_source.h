// A YAML config file and the files it is based on, as a flat list of what they set.
#pragma once

#include <string>
#include <vector>

#include "fastermask/config/config_value.h"

namespace fastermask {

// One key that a file or the command line sets.
struct Assignment {
  std::string key;    // dotted: MODEL.RPN.NMS_THRESH; not yet known to exist
  ConfigValue value;  // for a section with nothing in it: null
  std::string where;  // "configs/my.yaml:41"
};

// What `path` sets, after everything its _BASE_ files set, in order: later ones override earlier ones. Throws
// ConfigError for broken YAML, tags other than tuples, missing _BASE_ files, and files that are based on themselves.
std::vector<Assignment> read_yaml_assignments(const std::string& path);

// The same for a text that is in memory; `name` is what errors call it.
std::vector<Assignment> parse_yaml_assignments(const std::string& text, const std::string& name);

}  // namespace fastermask
