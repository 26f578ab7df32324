// safetensors files: a JSON header and raw little-endian tensors.
#pragma once

#include <map>
#include <string>

#include "fastermask/structures/ndarray.h"

namespace fastermask {

struct Safetensors {
  NamedArrays arrays;
  std::map<std::string, std::string> metadata;  // "__metadata__"
};

// Throws WeightsError when the file is damaged (header, sizes, offsets, unknown types), Error when it cannot be read.
Safetensors load_safetensors(const std::string& path);

// Writes tensors aligned to their element size, without gaps; the file appears whole or not at all.
void save_safetensors(const std::string& path, const NamedArrays& arrays,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace fastermask
