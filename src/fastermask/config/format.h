// Numbers and words as detectron2's dumps (PyYAML) write them.
#pragma once

#include <string>

#include "fastermask/config/check.h"

namespace fastermask {

// A float as Python's repr with YAML's spelling: 0.02, 1.0e-05, .inf; "32" for a whole number when `bare`.
std::string yaml_number(double number, bool bare);

// A word, plain when YAML would read it back as the same string, else in quotes.
std::string yaml_word(const std::string& word);

}  // namespace fastermask
