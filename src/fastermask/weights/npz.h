// NumPy's .npy and .npz files.
#pragma once

#include <string>
#include <string_view>

#include "fastermask/structures/ndarray.h"

namespace fastermask {

// Every array of a .npz, stored or deflated, by name without ".npy". Types: bool, (u)int8, int16/32/64, float16/32/64,
// either byte order; uint16 becomes int32, uint32 int64 and uint64 int64 (refused when a value does not fit). Strings
// (U, S) and objects are refused. Fortran order is turned into C order. Throws WeightsError when the file is damaged,
// Error when it cannot be read.
NamedArrays load_npz(const std::string& path);

// The array of one .npy file's content. `where` begins the error messages.
NDArray parse_npy(std::string_view content, const std::string& where);

// Writes what np.load reads, uncompressed; bfloat16 is written as float32. The file appears whole or not at all.
void save_npz(const std::string& path, const NamedArrays& arrays);

// A .npy file's header for an array: everything before its elements.
std::string npy_header(DType dtype, const Shape& shape);

}  // namespace fastermask
