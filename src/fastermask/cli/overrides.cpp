#include "fastermask/cli/overrides.h"

#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"
#include "fastermask/config/load.h"
#include "fastermask/weights/locate.h"

namespace fastermask::cli {

void accept_overrides(CLI::App& command) {
  command.allow_extras();
  const std::string footer = command.get_footer();
  command.footer(footer + (footer.empty() ? "" : "\n") +
                 "KEY VALUE pairs override any config key: SOLVER.BASE_LR 0.01 (docs/config.md lists all keys)");
}

std::vector<std::string> overrides_of(const CLI::App& command) {
  const std::vector<std::string> words = command.remaining();
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (std::size_t i = 0; i < words.size(); i += 2) {
    if (!starts_with(words[i], "-")) continue;
    const std::string name = words[i].substr(0, words[i].find('='));
    fail<UsageError>("{}: unknown option {}{}", command.get_name(), name, did_you_mean(name, options));
  }
  return words;
}

Config load_model_config(const std::string& file, const std::vector<std::string>& overrides) {
  Config config = load_config(file, overrides);
  if (!file.empty()) {
    const std::string folder = std::filesystem::path(resolve_config_path(file)).parent_path().string();
    add_weights_folder(folder.empty() ? "." : folder);
  }
  return config;
}

}  // namespace fastermask::cli
