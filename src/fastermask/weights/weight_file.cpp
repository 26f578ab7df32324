#include "fastermask/weights/weight_file.h"

#include <algorithm>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/weights/npz.h"
#include "fastermask/weights/renaming.h"
#include "fastermask/weights/safetensors.h"
#include "fastermask/weights/torch_file.h"
#include "fastermask/weights/zip_file.h"

namespace fastermask {
namespace {

constexpr const char* kStateDictKeys[] = {"model", "state_dict", "model_state_dict"};

// The dict of arrays inside a tree: under one of the usual keys, as Detectron1's blobs, or the tree itself.
PickleValue find_state_dict(const PickleValue& tree, const std::string& path) {
  if (!tree.is_dict()) {
    fail<WeightsError>("{}: a weight file must hold a dict of arrays, got {}", path, tree.describe());
  }
  for (const char* key : kStateDictKeys) {
    const PickleValue* inner = tree.find(key);
    if (inner != nullptr && inner->is_dict()) return *inner;
  }
  const PickleValue* blobs = tree.find("blobs");
  return blobs != nullptr && blobs->is_dict() ? *blobs : tree;
}

// Copies the arrays, or moves them when nothing else can see them.
NamedArrays arrays_of_dict(const PickleValue& dict, bool may_move) {
  NamedArrays arrays;
  for (const PickleEntry& entry : dict.entries()) {
    if (!entry.key.is_string() || !entry.value.is_array()) continue;
    const bool alone = entry.value.node().use_count() == 1 && entry.value.node()->array.use_count() == 1;
    if (may_move && alone) {
      arrays[entry.key.text()] = std::move(*entry.value.node()->array);
    } else {
      arrays[entry.key.text()] = entry.value.as_array();
    }
  }
  return arrays;
}

// "_metadata" of a state dict: {module: {"version": n}}.
std::map<std::string, std::int64_t> versions_of_dict(const PickleValue& dict) {
  std::map<std::string, std::int64_t> versions;
  const PickleValue metadata = dict.attribute("_metadata");
  if (!metadata.is_dict()) return versions;
  for (const PickleEntry& entry : metadata.entries()) {
    const PickleValue* version = entry.value.find("version");
    if (entry.key.is_string() && version != nullptr && version->kind() == PickleValue::Kind::integer) {
      versions[entry.key.text()] = version->as_int();
    }
  }
  return versions;
}

std::string keys_of_dict(const PickleValue& dict) {
  std::vector<std::string> keys;
  for (const PickleEntry& entry : dict.entries()) {
    if (keys.size() == 8) {
      keys.emplace_back("...");
      break;
    }
    keys.push_back(entry.key.describe());
  }
  return join(keys, ", ");
}

void strip_module_prefix(WeightFile& file) {
  constexpr std::string_view kPrefix = "module.";
  const bool all = std::all_of(file.arrays.begin(), file.arrays.end(),
                               [&](const auto& entry) { return starts_with(entry.first, kPrefix); });
  strip_common_prefix(file.arrays, std::string(kPrefix));
  if (!all) return;
  std::map<std::string, std::int64_t> versions;
  for (const auto& [name, version] : file.module_versions) {
    versions[starts_with(name, kPrefix) ? name.substr(kPrefix.size()) : name] = version;
  }
  file.module_versions = std::move(versions);
}

WeightFile finish_weight_file(WeightFile file, bool keep_names) {
  strip_module_prefix(file);
  const bool caffe2 = file.format == WeightFormat::caffe2_pickle || file.author == "Caffe2";
  file.names = recognise_names(file.arrays);
  if (caffe2 && file.names == WeightNames::detectron2) file.names = WeightNames::caffe2;
  if (!keep_names) convert_names(file);
  return file;
}

WeightFile load_arrays_only(const std::string& path, WeightFormat format, NamedArrays arrays, bool keep_names) {
  if (arrays.empty()) fail<WeightsError>("{}: the file holds no arrays", path);
  WeightFile file;
  file.path = path;
  file.format = format;
  file.arrays = std::move(arrays);
  return finish_weight_file(std::move(file), keep_names);
}

WeightFile load_safetensors_weights(const std::string& path, bool keep_names) {
  Safetensors loaded = load_safetensors(path);
  WeightFile file = load_arrays_only(path, WeightFormat::safetensors, std::move(loaded.arrays), keep_names);
  const auto flag = loaded.metadata.find("matching_heuristics");
  if (flag != loaded.metadata.end() && flag->second == "True") file.needs_name_matching = true;
  return file;
}

bool is_safetensors(std::string_view content) { return content.size() > 9 && content[8] == '{'; }

bool is_npz(std::string_view content, const std::string& path) {
  const ZipReader archive(content, path);
  return std::any_of(archive.names().begin(), archive.names().end(),
                     [](const std::string& name) { return ends_with(name, ".npy"); });
}

}  // namespace

const char* weight_format_name(WeightFormat format) {
  switch (format) {
    case WeightFormat::detectron2_pickle: return "detectron2 pickle";
    case WeightFormat::caffe2_pickle: return "Caffe2 pickle";
    case WeightFormat::torch: return "PyTorch";
    case WeightFormat::safetensors: return "safetensors";
    case WeightFormat::npz: return "NumPy npz";
  }
  return "?";
}

const char* weight_names_name(WeightNames names) {
  switch (names) {
    case WeightNames::detectron2: return "detectron2";
    case WeightNames::caffe2: return "Caffe2";
    case WeightNames::torchvision_imagenet: return "torchvision (ImageNet)";
    case WeightNames::torchvision_detection: return "torchvision (detection)";
    case WeightNames::mmdetection: return "mmdetection";
  }
  return "?";
}

void convert_names(WeightFile& file) {
  if (file.names == WeightNames::detectron2 || file.converted) return;
  switch (file.names) {
    case WeightNames::detectron2: break;
    case WeightNames::caffe2: file.arrays = convert_caffe2(std::move(file.arrays)); break;
    case WeightNames::torchvision_imagenet: file.arrays = convert_torchvision_imagenet(std::move(file.arrays)); break;
    case WeightNames::torchvision_detection: file.arrays = convert_torchvision_detection(std::move(file.arrays)); break;
    case WeightNames::mmdetection: file.arrays = convert_mmdetection(std::move(file.arrays)); break;
  }
  file.converted = true;
  file.module_versions.clear();  // versions of other projects' modules mean nothing to detectron2's rules
  if (file.names == WeightNames::caffe2 || file.names == WeightNames::torchvision_imagenet) {
    file.needs_name_matching = true;
  }
}

void strip_common_prefix(NamedArrays& arrays, const std::string& prefix) {
  const bool all = std::all_of(arrays.begin(), arrays.end(),
                               [&](const auto& entry) { return starts_with(entry.first, prefix); });
  if (!all) return;
  NamedArrays stripped;
  for (auto& [name, array] : arrays) stripped[name.substr(prefix.size())] = std::move(array);
  arrays = std::move(stripped);
}

WeightFile weights_of_tree(PickleValue tree, const std::string& path, WeightFormat format, bool keep_names) {
  WeightFile file;
  file.path = path;
  file.format = format;
  // Counted before `dict` below becomes one more handle: 1 each means that only this tree holds them.
  const bool tree_alone = tree.node().use_count() == 1;
  const PickleValue dict = find_state_dict(tree, path);
  const bool dict_alone = dict.node().use_count() == 2;
  file.module_versions = versions_of_dict(dict);
  file.arrays = arrays_of_dict(dict, tree_alone && dict_alone);
  if (file.arrays.empty()) {
    fail<WeightsError>("{}: no arrays in it; looked under 'model', 'state_dict' and at the top, found {}", path,
                       tree.entries().empty() ? "an empty dict" : keys_of_dict(tree));
  }
  if (const PickleValue* author = tree.find("__author__"); author != nullptr && author->is_string()) {
    file.author = author->text();
  }
  if (const PickleValue* flag = tree.find("matching_heuristics"); flag != nullptr && !flag->is_none()) {
    file.needs_name_matching = flag->as_bool();
  }
  if (const PickleValue* iteration = tree.find("iteration");
      iteration != nullptr && iteration->kind() == PickleValue::Kind::integer) {
    file.iteration = iteration->as_int();
  }
  return finish_weight_file(std::move(file), keep_names);
}

WeightFile load_weight_file(const std::string& path, bool keep_names) {
  const MappedFile mapped(path);
  const std::string_view content = mapped.view();
  if (is_zip(content) && is_npz(content, path)) {
    return load_arrays_only(path, WeightFormat::npz, load_npz(path), keep_names);
  }
  if (is_zip(content) || is_legacy_torch_file(content)) {
    return weights_of_tree(parse_torch_file(content, path), path, WeightFormat::torch, keep_names);
  }
  if (is_safetensors(content)) return load_safetensors_weights(path, keep_names);
  if (content.empty()) fail<WeightsError>("{}: the file is empty", path);
  if (content[0] == '<') {
    fail<WeightsError>("{}: a web page, not a weight file; download the file itself again", path);
  }
  if (starts_with(content, "version https://git-lfs")) {
    fail<WeightsError>("{}: a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'", path);
  }
  UnpickleOptions options;
  options.where = path;
  PickleValue tree = unpickle(content, options).value;
  const bool detectron2 = tree.find("model") != nullptr && tree.find("__author__") != nullptr;
  return weights_of_tree(std::move(tree), path,
                         detectron2 ? WeightFormat::detectron2_pickle : WeightFormat::caffe2_pickle, keep_names);
}

void save_weight_file(const std::string& path, const NamedArrays& arrays, const SaveWeightsOptions& options) {
  const std::string name = to_lower(path);
  if (ends_with(name, ".pkl")) {
    PickleValue tree = PickleValue::dict();
    PickleValue model = PickleValue::dict();
    for (const auto& [key, array] : arrays) model.set(key, PickleValue::array(array));
    tree.set("model", std::move(model));
    tree.set("__author__", PickleValue::string(options.author));
    if (options.matching_heuristics) tree.set("matching_heuristics", PickleValue::boolean(true));
    save_pickle(path, tree);
  } else if (ends_with(name, ".pth") || ends_with(name, ".pt")) {
    PickleValue tree = PickleValue::dict();
    tree.set("model", PickleValue::state_dict(arrays));
    if (options.matching_heuristics) tree.set("matching_heuristics", PickleValue::boolean(true));
    save_torch_file(path, tree);
  } else if (ends_with(name, ".safetensors")) {
    std::map<std::string, std::string> metadata = {{"format", "pt"}};
    if (options.matching_heuristics) metadata["matching_heuristics"] = "True";
    save_safetensors(path, arrays, metadata);
  } else if (ends_with(name, ".npz")) {
    save_npz(path, arrays);
  } else {
    fail<WeightsError>("{}: weights are written as .pkl, .pth, .pt, .safetensors or .npz, by the file's ending", path);
  }
}

}  // namespace fastermask
