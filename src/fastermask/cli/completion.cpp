#include "fastermask/cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "fastermask/cli/command.h"
#include "fastermask/config/load.h"

namespace fastermask::cli {
namespace {

// `complete -o default`: where the program offers nothing, bash completes files.
constexpr const char* kBash = R"(# bash completion for fastermask: source <(fastermask completion bash)
_fastermask() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _fastermask fastermask
)";

constexpr const char* kZsh = R"(#compdef fastermask
# zsh completion for fastermask: source <(fastermask completion zsh)
_fastermask() {
  local -a candidates
  candidates=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${candidates[1]}" ]]; then
    compadd -a candidates
  else
    _files
  fi
}
if [[ "${funcstack[1]}" = _fastermask ]]; then
  _fastermask "$@"
else
  compdef _fastermask fastermask
fi
)";

bool begins_with(const std::string& text, const std::string& beginning) {
  return text.compare(0, beginning.size(), beginning) == 0;
}

const CLI::Option* option_of(const CLI::App& command, const std::string& word) {
  return begins_with(word, "-") ? command.get_option_no_throw(word) : nullptr;
}

// What options that take one of a few words take: CLI11 knows the words only as text for --help.
std::vector<std::string> choices_of(const CLI::Option& option) {
  static const std::map<std::string, std::vector<std::string>> choices = {
      {"--precision", {"f32", "bf16", "int8"}},
      {"--task", {"bbox", "segm", "keypoints"}},
      {"--rename", {"caffe2", "torchvision", "mmdetection"}}};
  const auto found = choices.find(option.get_name());
  return found == choices.end() ? std::vector<std::string>() : found->second;
}

}  // namespace

const char* const kCompleteCommand = "__complete";

std::vector<std::string> complete_words(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) return {};
  const CLI::App* command = &app;
  const CLI::Option* open = nullptr;  // an option whose value comes next
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const bool was_value = open != nullptr;
    open = was_value ? nullptr : option_of(*command, words[i]);
    if (open != nullptr && open->get_items_expected_max() == 0) open = nullptr;  // a flag
    if (was_value || begins_with(words[i], "-")) continue;
    const CLI::App* below = command_below(*command, words[i]);
    if (below != nullptr) command = below;
  }
  const std::string& typed = words.back();
  std::vector<std::string> candidates;
  if (open != nullptr) {
    candidates = choices_of(*open);
  } else if (begins_with(typed, "-")) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) candidates.push_back("--" + name);
    }
  } else {
    for (const CLI::App* below : command->get_subcommands([](const CLI::App*) { return true; }))
      candidates.push_back(below->get_name());
    // Keys of the config: only once a letter says so, since files may stand there, too.
    if (command->get_allow_extras() && !typed.empty() && typed[0] >= 'A' && typed[0] <= 'Z') {
      for (const KeyInfo& key : all_config_keys()) candidates.push_back(key.name);
    }
  }
  const auto other = [&](const std::string& candidate) { return !begins_with(candidate, typed); };
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(), other), candidates.end());
  return candidates;
}

void add_completion_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("completion", "Print what a shell needs to complete command lines");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Example: source <(fastermask completion bash)");
  command->callback([shell] { fmt::print("{}", *shell == "bash" ? kBash : kZsh); });
}

}  // namespace fastermask::cli
