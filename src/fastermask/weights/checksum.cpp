#include "fastermask/weights/checksum.h"

#include <zlib.h>

#include <string>

namespace fastermask {
namespace {

std::uint32_t extend_crc(std::uint32_t crc, const void* bytes, std::size_t count) {
  return static_cast<std::uint32_t>(crc32_z(crc, static_cast<const Bytef*>(bytes), count));
}

}  // namespace

std::uint32_t array_checksum(const NDArray& array) {
  return array.bytes.empty() ? 0 : extend_crc(0, array.bytes.data(), array.bytes.size());
}

std::uint32_t arrays_checksum(const NamedArrays& arrays) {
  std::uint32_t crc = 0;
  for (const auto& [name, array] : arrays) {
    const std::string header = fmt::format("{} {} {}\n", name, dtype_name(array.dtype), to_string(array.shape));
    crc = extend_crc(crc, header.data(), header.size());
    if (!array.bytes.empty()) crc = extend_crc(crc, array.bytes.data(), array.bytes.size());
  }
  return crc;
}

}  // namespace fastermask
