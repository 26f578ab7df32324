// The sub-commands of `fastermask info`, one function and one file each. A new one is declared here and added to the
// list in info.cpp.
#pragma once

#include <CLI/CLI.hpp>

namespace fastermask::cli {

// `info config`: the merged config, or what differs from the defaults, or the reference of all keys.
void add_info_config(CLI::App& info);

// `info model`: what a config's network weighs, and the names of its parameters.
void add_info_model(CLI::App& info);

// `info env`: versions, the machine, and what this build contains.
void add_info_env(CLI::App& info);

}  // namespace fastermask::cli
