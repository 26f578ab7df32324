// Finding the configs that come with FasterMask.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/config/load.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

// Folders that may hold the configs, best first: the user's choice, an installed FasterMask's, the source tree's
// (around the build folder, or where it was at the time of the build).
std::vector<fs::path> config_folders() {
  std::vector<fs::path> folders;
  if (const char* chosen = std::getenv("FASTERMASK_CONFIGS")) folders.emplace_back(expand_user(chosen));
  std::error_code ignored;
  fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  if (!folder.empty()) folders.push_back(folder.parent_path() / "share" / "fastermask" / "configs");
  for (int up = 0; up < 4 && folder.has_relative_path(); ++up) {
    folder = folder.parent_path();
    if (is_file((folder / "configs" / "Base-RCNN-FPN.yaml").string())) folders.push_back(folder / "configs");
  }
  folders.emplace_back(FASTERMASK_SOURCE_CONFIGS);
  return folders;
}

std::vector<std::string> config_names(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == ".yaml") names.push_back(entry->path().lexically_relative(folder).string());
    }
    if (!names.empty()) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string resolve_config_path(const std::string& name) {
  const std::string path = expand_user(name);
  if (is_file(path)) return path;
  if (is_folder(path)) fail<ConfigError>("config: {} is a folder, not a YAML file", name);
  const std::vector<fs::path> folders = config_folders();
  const std::string below = starts_with(name, "configs/") ? name.substr(std::string("configs/").size()) : name;
  for (const fs::path& folder : folders) {
    for (const char* ending : {"", ".yaml"}) {
      const std::string candidate = (folder / (below + ending)).string();
      if (is_file(candidate)) return candidate;
    }
  }
  fail<ConfigError>("config: no such file: {}{}", name, did_you_mean(below, config_names(folders)));
}

}  // namespace fastermask
