// KEY VALUE pairs at the end of a command: config overrides, as detectron2 has them.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "fastermask/config/config.h"

namespace fastermask::cli {

// Lets `command` take KEY VALUE pairs anywhere among its options, and says so in its help. Every App above it must
// require_subcommand(1), so that a value that is also the name of a command stays a value.
void accept_overrides(CLI::App& command);

// The pairs that were given, for load_config. Throws UsageError with a 'did you mean' when a word in the place of a key
// is an option the command does not have.
std::vector<std::string> overrides_of(const CLI::App& command);

// load_config for commands that read weights: the file's folder becomes one that weights are looked for in.
Config load_model_config(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace fastermask::cli
