// The pictures and videos that a command's INPUT words mean.
#pragma once

#include <string>
#include <vector>

namespace fastermask::cli {

// Files as given, the pictures and videos of folders (not of their subfolders), and the matches of patterns with
// * ? [ ]; each in name order. Throws UsageError for a word that means nothing.
std::vector<std::string> find_input_files(const std::vector<std::string>& inputs);

}  // namespace fastermask::cli
