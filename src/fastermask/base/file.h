// Reading whole files, mapping them, and writing them so that they appear whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace fastermask {

// The whole content of a file. Throws Error naming the path and the reason.
std::string read_file(const std::string& path);

// Writes `content` under a temporary name beside `path`, flushes it to the disk, and renames it to `path`: readers see
// the old file or the new one. Makes missing parent folders. Throws Error and removes the temporary file on failure.
void write_file_atomic(const std::string& path, std::string_view content);

// What a crash of the whole machine may leave: the old file or the new one, or (for caches that check what they read)
// also a new one with parts missing.
enum class Durability { flushed, none };

// The same for content that `write` produces itself: it is given the temporary path to create.
void write_file_atomic(const std::string& path, const std::function<void(const std::string& temporary_path)>& write,
                       Durability durability = Durability::flushed);

// Creates a folder and its parents. No error when it is there already.
void make_folders(const std::string& path);

// True when the path exists (of any kind), is a regular file, or is a folder.
bool path_exists(const std::string& path);
bool is_file(const std::string& path);
bool is_folder(const std::string& path);

// The bytes of a regular file. Throws Error when there is none.
std::int64_t file_size(const std::string& path);

// "a/b" joined with "c" is "a/b/c"; an absolute second part stands alone. A leading "~" is not expanded.
std::string join_path(const std::string& folder, const std::string& name);

// "~" or "~/x" with $HOME put in; anything else unchanged.
std::string expand_user(const std::string& path);

// A read-only memory map of a file, unmapped on destruction. Movable. An empty file maps to an empty view.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::string_view view() const { return {data_, size_}; }

  // Gives back the memory of a part that is not needed soon; looking at it reads it again.
  void forget(std::size_t begin, std::size_t end) const;

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fastermask
