// The pictures that a command's INPUT words mean.
#pragma once

#include <string>
#include <vector>

namespace fastermask::cli {

// Files as given, the pictures of folders (not of their subfolders), and the matches of patterns with * ? [ ]; each in
// name order. Throws UsageError for a word that means nothing, and for videos.
std::vector<std::string> find_input_files(const std::vector<std::string>& inputs);

}  // namespace fastermask::cli
