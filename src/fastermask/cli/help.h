// What --help prints, and the man pages made of the same: summary, usage, options in groups with their defaults,
// examples, exit status, files, environment, what to read next.
//
// A command declares its options, and a footer in which lines that begin with "Example: " (and the indented ones below)
// are examples and all others notes. What else there is to say stands in help_pages.cpp; a command without an entry
// there has its options in one group.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <utility>
#include <vector>

namespace fastermask::cli {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

struct HelpPage {
  std::string command;                                                   // "data check"
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;  // heading -> options; the rest is "Options"
  std::string exit_status;                                               // beyond 0, 1 and 2; "" for nothing
  NamedTexts files;                                                      // name -> what is in it
  std::vector<std::string> environment;    // variables; what they mean is said in one place
  std::vector<std::string> see_also;       // "fastermask evaluate", "docs/training.md"
  std::vector<std::string> examples = {};  // of commands without a footer
};

// The entries of help_pages.cpp.
const std::vector<HelpPage>& help_pages();
// What an environment variable means. Throws Error for one that is not described.
std::string environment_text(const std::string& variable);

// Makes --help of `app` and all commands below it as described above. Call it after all commands were added.
void arrange_help(CLI::App& app);

// The first word of a hidden command line: `fastermask __man data check` prints the man page fastermask-data-check(1).
extern const char* const kManCommand;

// The man page of the command that `words` lead to, in roff. Throws UsageError when there is none.
std::string man_page(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace fastermask::cli
