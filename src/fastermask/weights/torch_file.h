// PyTorch's torch.save files (.pth, .pt) as plain data, and back.
#pragma once

#include <string>
#include <string_view>

#include "fastermask/weights/pickle.h"

namespace fastermask {

// Reads a file of torch.save: the zip format (1.6 and later) or the older sequence of pickles and storages. Tensors
// become arrays. Throws WeightsError for damaged or hostile files, TorchScript archives and the tar format of 2016.
PickleValue load_torch_file(const std::string& path);

// The same for a file's content that is in memory already. `where` begins the error messages.
PickleValue parse_torch_file(std::string_view content, const std::string& where, int nesting = 0);

// Writes `tree` so that torch.load reads it, in the zip format with 64-byte aligned storages. Arrays become CPU tensors
// that need no gradient; handles of one array share one storage. The file appears whole or not at all.
void save_torch_file(const std::string& path, const PickleValue& tree);

// True for the first bytes of a zip archive, or of an older torch.save file.
bool is_zip(std::string_view content);
bool is_legacy_torch_file(std::string_view content);

}  // namespace fastermask
