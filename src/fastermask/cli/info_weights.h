// `fastermask info weights`: what a weight file holds.
#pragma once

#include <CLI/CLI.hpp>

namespace fastermask::cli {

// Adds the sub-command `weights FILE [--json] [--checksum]` to `fastermask info`.
void add_info_weights(CLI::App& info);

}  // namespace fastermask::cli
