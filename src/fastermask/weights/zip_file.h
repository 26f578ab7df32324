// Zip archives: reading through libzip, and writing uncompressed entries with chosen alignment (libzip has none, and
// PyTorch maps storages where they lie).
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fastermask/structures/ndarray.h"

struct zip;

namespace fastermask {

// A zip archive in memory (usually a mapped file), which must outlive this object.
class ZipReader {
 public:
  // Throws WeightsError when `content` is no zip archive or a damaged one. `where` begins the messages.
  ZipReader(std::string_view content, std::string where);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::vector<std::string>& names() const { return names_; }  // in the archive's order
  bool has(const std::string& name) const { return index_.count(name) != 0; }
  std::uint64_t size(const std::string& name) const;  // bytes, uncompressed

  // The entry's content. Throws WeightsError when there is none, its checksum is wrong, or its claimed size is beyond
  // what its compressed bytes can hold.
  std::string read(const std::string& name) const;
  void read_into(const std::string& name, void* target, std::uint64_t bytes) const;

 private:
  std::string_view content_;
  std::string where_;
  zip* archive_ = nullptr;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint64_t> index_;  // name -> libzip's index
};

// Writes a zip archive of uncompressed entries to a file, front to back. Zip64 where sizes need it.
class ZipWriter {
 public:
  // Every entry's data begins at a multiple of `alignment` bytes. Throws Error when the file cannot be created.
  ZipWriter(const std::string& path, std::uint64_t alignment);
  ~ZipWriter();
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;

  // Adds an entry whose content is the given pieces, one after the other.
  void add(const std::string& name, const std::vector<std::string_view>& pieces);

  // Writes the directory and closes the file. Throws Error when not everything could be written.
  void finish();

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
  };
  void write(std::string_view bytes);
  void write_directory();

  std::string path_;
  std::uint64_t alignment_;
  std::FILE* file_ = nullptr;
  std::uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace fastermask
