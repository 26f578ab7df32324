// PyTorch's element types by name. Internal to this layer.
#pragma once

#include <string>
#include <string_view>

#include "fastermask/structures/ndarray.h"
#include "fastermask/weights/torch_file.h"

namespace fastermask {

// The element type of "torch.FloatStorage" or "torch.float32"; false for other names. Untyped storages hold uint8.
bool torch_dtype_of(std::string_view type_name, DType& dtype);

// "FloatStorage" for float32.
std::string torch_storage_type(DType dtype);

}  // namespace fastermask
