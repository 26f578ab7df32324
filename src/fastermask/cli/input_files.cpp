#include "fastermask/cli/input_files.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/data/image_io.h"
#include "fastermask/video/video.h"

namespace fastermask::cli {
namespace {

std::vector<std::string> files_of_folder(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (entry.is_regular_file() && (has_image_ending(path) || has_video_ending(path))) files.push_back(path);
  }
  if (files.empty()) {
    fail<UsageError>("{}: the folder holds no pictures (.jpg, .jpeg, .png, .webp) and no videos (.mp4, .avi, ...)",
                     folder);
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> matches_of_pattern(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> files;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return files;
}

}  // namespace

std::vector<std::string> find_input_files(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    if (is_folder(input)) {
      const auto found = files_of_folder(input);
      files.insert(files.end(), found.begin(), found.end());
    } else if (is_file(input)) {
      files.push_back(input);
    } else {
      const auto found = matches_of_pattern(input);
      if (found.empty()) fail<UsageError>("{}: no such file, folder or pattern with matches", input);
      files.insert(files.end(), found.begin(), found.end());
    }
  }
  return files;
}

}  // namespace fastermask::cli
