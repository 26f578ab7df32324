// The layout of a model package's file (docs/model_package.md). Inner header of model_package.cpp, which reads it, and
// of model_package_writer.cpp.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fastermask {

constexpr char kPackageMagic[8] = {'F', 'M', 'M', 'O', 'D', 'E', 'L', '\n'};
constexpr std::uint32_t kPackageFormat = 5;
constexpr std::uint32_t kOldPackageFormat = 3;  // lacks "f16", of which format 4 had another order
constexpr std::size_t kPackageDataAlign = 4096;  // of the data, and so of the mapping's pages
constexpr std::size_t kPackageArrayAlign = 64;   // of each array
constexpr std::size_t kPackageBlock = 4u << 20;  // bytes with a checksum of their own

// The file begins with this; numbers are little-endian.
struct PackagePreamble {
  char magic[8];
  std::uint32_t format;
  std::uint32_t unused;
  std::uint64_t file_bytes;
  std::uint64_t header_bytes;  // JSON, right behind
  std::uint64_t header_hash;   // XXH3 of the JSON
};
static_assert(sizeof(PackagePreamble) == 40);

inline std::size_t package_aligned(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Of a number of an array; of "i8" four count as one.
inline std::size_t package_type_bytes(std::string_view type) { return type == "bf16" || type == "f16" ? 2 : 4; }

inline std::uint64_t package_hash(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace fastermask
