// Completion of command lines by shells: `fastermask completion bash` prints what a shell loads, which asks the program
// itself at every Tab, so that it always fits the installed version.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace fastermask::cli {

// The words that may stand where the last of `words` (perhaps empty) is being typed: commands, options, values of
// options that take one of a few, keys of the config. `words`: those after the program's name. Empty where a file may
// stand.
std::vector<std::string> complete_words(const CLI::App& app, const std::vector<std::string>& words);

// What shells run at every Tab; not shown in --help: `fastermask __complete WORD...`
extern const char* const kCompleteCommand;

void add_completion_command(CLI::App& app);

}  // namespace fastermask::cli
