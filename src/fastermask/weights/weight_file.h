// Weight files of every kind as named arrays.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fastermask/structures/ndarray.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {

enum class WeightFormat { detectron2_pickle, caffe2_pickle, torch, safetensors, npz };

// Whose parameter names a file uses.
enum class WeightNames { detectron2, caffe2, torchvision_imagenet, torchvision_detection, mmdetection };

const char* weight_format_name(WeightFormat format);  // "detectron2 pickle", ...
const char* weight_names_name(WeightNames names);     // "detectron2", "Caffe2", "torchvision (ImageNet)", ...

struct WeightFile {
  std::string path;
  WeightFormat format = WeightFormat::torch;
  WeightNames names = WeightNames::detectron2;  // as found in the file
  NamedArrays arrays;
  std::string author;                // "__author__" of detectron2's .pkl, or ""
  bool needs_name_matching = false;  // names are matched by their longest common suffix (Caffe2, matching_heuristics)
  bool converted = false;            // `arrays` have detectron2's names now, other than in the file
  // "_metadata" of a state dict: version by module name ("backbone.stem.conv1.norm" -> 3). Empty when the file has
  // none.
  std::map<std::string, std::int64_t> module_versions;
  std::int64_t iteration = -1;  // of a training checkpoint, else -1
};

// Reads a weight file by its content, whatever its ending:
//   detectron2 .pkl ("model" + "__author__"), Caffe2 / MSRA .pkl ("blobs", or bare; *_momentum dropped), .pth with
//   "model" or "state_dict" or bare, .safetensors, .npz. A "module." that begins every name is dropped.
// Names of Caffe2, torchvision (ImageNet and detection models) and mmdetection are recognised and turned into
// detectron2's, with the changes to the tensors that go with it (renaming.h).
// With `keep_names`, names and tensors stay as they are in the file (only `names` says whose they are).
// Throws WeightsError when the file is damaged, of no known kind or holds no arrays; Error when it cannot be read.
WeightFile load_weight_file(const std::string& path, bool keep_names = false);

// Turns names that are `file.names` into detectron2's, as load_weight_file does; nothing when they are detectron2's.
void convert_names(WeightFile& file);

// The same for a tree that is in memory (a checkpoint read for other reasons). Takes the arrays that nothing else
// holds.
WeightFile weights_of_tree(PickleValue tree, const std::string& path, WeightFormat format = WeightFormat::torch,
                           bool keep_names = false);

struct SaveWeightsOptions {
  std::string author = "FasterMask";
  bool matching_heuristics = false;  // names are suffixes of the model's; not for .npz
};

// Writes arrays by the path's ending: .pkl (detectron2's: model, __author__, matching_heuristics), .pth or .pt
// ({"model": ...}), .safetensors, .npz. Throws WeightsError for other endings. Appears whole or not at all.
void save_weight_file(const std::string& path, const NamedArrays& arrays, const SaveWeightsOptions& options = {});

// Drops `prefix` from every name if every name has it; else changes nothing.
void strip_common_prefix(NamedArrays& arrays, const std::string& prefix);

}  // namespace fastermask
