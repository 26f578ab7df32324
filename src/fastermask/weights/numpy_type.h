// NumPy's element types as they stand in .npy headers and pickles, and raw elements turned into an NDArray.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fastermask/structures/ndarray.h"

namespace fastermask {

// "<f4": little-endian float of 4 bytes.
struct NumpyType {
  char kind = 'f';       // f, i, u, b
  int size = 4;          // bytes an element
  bool swapped = false;  // big-endian
};

// Understands "[<>|=]" + kind + size. Throws WeightsError for kinds that are not numbers ("O", "U10", "c8") and sizes
// that do not exist. `where` begins the message.
NumpyType parse_numpy_type(std::string_view description, const std::string& where);

// The type's description in NumPy's words: "<f4", "|b1". bfloat16, which NumPy lacks, is described as float32.
std::string numpy_type_description(DType dtype);

// element_count(shape) * size, throwing WeightsError when it overflows or a size is negative.
std::uint64_t checked_bytes(const Shape& shape, int size, const std::string& where);

// The array of `shape` whose elements are `data`, in C order or Fortran's. uint16 becomes int32; uint32 and uint64
// int64. Throws WeightsError when `data` is not exactly as long as the shape needs, or a uint64 is beyond int64.
NDArray array_of_numpy(const NumpyType& type, const Shape& shape, bool fortran_order, std::string_view data,
                       const std::string& where);

// The same array without bfloat16: as float32.
NDArray without_bfloat16(const NDArray& array);

}  // namespace fastermask
