// Checksums of arrays, to compare weight files by.
#pragma once

#include <cstdint>

#include "fastermask/structures/ndarray.h"

namespace fastermask {

// CRC-32 (zlib's) of the elements' bytes, little-endian. The same whatever file format the array came in.
std::uint32_t array_checksum(const NDArray& array);

// CRC-32 over all arrays in name order: names, types, shapes and elements. Equal for equal sets of arrays.
std::uint32_t arrays_checksum(const NamedArrays& arrays);

}  // namespace fastermask
