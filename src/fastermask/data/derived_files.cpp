#include "fastermask/data/derived_files.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {
namespace {

std::string environment_folder(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string() : expand_user(value);
}

std::uint64_t path_hash(const std::string& text) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

}  // namespace

std::string cache_folder() {
  if (const std::string own = environment_folder("FASTERMASK_CACHE"); !own.empty() && own != "off") return own;
  if (const std::string xdg = environment_folder("XDG_CACHE_HOME"); !xdg.empty()) return join_path(xdg, "fastermask");
  if (const std::string home = environment_folder("HOME"); !home.empty()) return join_path(home, ".cache/fastermask");
  return (std::filesystem::temp_directory_path() / fmt::format("fastermask-cache-{}", ::getuid())).string();
}

std::string write_derived_file(const std::string& source, const std::string& kind, const std::string& text,
                               const std::string& variant) {
  const std::filesystem::path full = std::filesystem::absolute(source).lexically_normal();
  const std::string folder = join_path(cache_folder(), "derived");
  const std::string path =
      join_path(folder, fmt::format("{}-{:016x}.{}.json", full.stem().string(),
                                    path_hash(full.string() + "\n" + kind + "\n" + variant), kind));
  if (is_file(path) && MappedFile(path).view() == text) return path;
  try {
    make_folders(folder);
    write_file_atomic(path, text);
  } catch (const Error& error) {
    fail<DataError>("{} (made from {}; set FASTERMASK_CACHE to a folder that can be written)", error.what(), source);
  }
  return path;
}

}  // namespace fastermask
