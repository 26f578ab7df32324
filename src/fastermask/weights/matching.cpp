#include "fastermask/weights/matching.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fastermask/base/text.h"

namespace fastermask {
namespace {

constexpr float kFrozenBnEpsilon = 1e-5f;

// Names whose absence says nothing: computed from the config, or bookkeeping.
bool is_derived_name(const std::string& name) {
  return name == "pixel_mean" || name == "pixel_std" || name.find("cell_anchors") != std::string::npos ||
         ends_with(name, "num_batches_tracked");
}

// The longest of the file's names that is `name` or follows a dot in it; nullptr when there is none.
const std::string* longest_suffix_match(const NamedArrays& arrays, const std::string& name) {
  std::size_t start = 0;
  while (true) {
    const auto found = arrays.find(name.substr(start));
    if (found != arrays.end()) return &found->first;
    const std::size_t dot = name.find('.', start);
    if (dot == std::string::npos) return nullptr;
    start = dot + 1;
  }
}

// pixel_mean and pixel_std were [3] in old files, [3, 1, 1] in new ones.
bool shapes_fit(const ParameterSpec& spec, const NDArray& array) {
  if (spec.shape == array.shape) return true;
  return is_derived_name(spec.name) && element_count(spec.shape) == array.size();
}

NDArray as_float32(const NDArray& array, const Shape& shape) {
  NDArray result;
  if (array.dtype == DType::float64 || array.dtype == DType::float16 || array.dtype == DType::bfloat16) {
    result = NDArray::from<float>(array.shape, array.to_floats());
  } else {
    result = array;
  }
  result.shape = shape;
  return result;
}

std::string module_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

std::string leaf_of(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// The file's version of a module, or -1 without one.
std::int64_t module_version(const WeightFile& file, const std::string& module) {
  const auto found = file.module_versions.find(module);
  return found == file.module_versions.end() ? -1 : found->second;
}

// Statistics that files of old FrozenBatchNorm2d lack: mean 0 and variance 1.
void fill_frozen_statistics(const WeightFile& file, const std::vector<ParameterSpec>& model, LoadedWeights& loaded) {
  std::set<std::string> filled;
  for (const ParameterSpec& spec : model) {
    const std::string leaf = leaf_of(spec.name);
    const bool statistic = leaf == "running_mean" || leaf == "running_var";
    if (!spec.frozen_bn || !statistic || module_version(file, module_of(spec.name)) >= 2) continue;
    if (std::find(loaded.match.missing.begin(), loaded.match.missing.end(), spec.name) == loaded.match.missing.end()) {
      continue;
    }
    const std::size_t count = static_cast<std::size_t>(element_count(spec.shape));
    loaded.arrays[spec.name] =
        NDArray::from<float>(spec.shape, std::vector<float>(count, leaf == "running_var" ? 1.0f : 0.0f));
    filled.insert(spec.name);
  }
  auto& missing = loaded.match.missing;
  missing.erase(std::remove_if(missing.begin(), missing.end(),
                               [&filled](const std::string& name) { return filled.count(name) != 0; }),
                missing.end());
}

// "a.b.{bias, weight}" for names that differ in their last part only.
std::vector<std::string> grouped_names(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> leaves;
  for (const std::string& name : names) leaves[module_of(name)].push_back(leaf_of(name));
  std::vector<std::string> lines;
  for (auto& [module, group] : leaves) {
    std::sort(group.begin(), group.end());
    const std::string prefix = module.empty() ? "" : module + ".";
    lines.push_back(group.size() == 1 ? prefix + group[0] : prefix + "{" + join(group, ", ") + "}");
  }
  return lines;
}

void add_section(std::string& text, const std::string& title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  text += (text.empty() ? "" : "\n") + title;
  for (const std::string& line : lines) text += "\n  " + line;
}

}  // namespace

MatchResult match_weights(const WeightFile& file, const std::vector<ParameterSpec>& model) {
  MatchResult result;
  std::map<std::string, std::string> taken;  // file's name -> model's name
  for (const ParameterSpec& spec : model) {
    const auto exact = file.arrays.find(spec.name);
    const std::string* found = exact == file.arrays.end() ? nullptr : &exact->first;
    if (found == nullptr && file.needs_name_matching) found = longest_suffix_match(file.arrays, spec.name);
    if (found == nullptr) {
      if (!is_derived_name(spec.name)) result.missing.push_back(spec.name);
      continue;
    }
    const NDArray& array = file.arrays.at(*found);
    if (!shapes_fit(spec, array)) {
      result.mismatched.push_back({spec.name, *found, spec.shape, array.shape});
      continue;
    }
    const auto [owner, is_new] = taken.try_emplace(*found, spec.name);
    if (!is_new) {
      fail<WeightsError>(
          "{}: '{}' fits both '{}' and '{}' of the model; names of this file are too short to be matched", file.path,
          *found, owner->second, spec.name);
    }
    result.matched[spec.name] = *found;
  }
  std::set<std::string> used;
  for (const auto& [file_name, model_name] : taken) used.insert(file_name);
  for (const ShapeMismatch& mismatch : result.mismatched) used.insert(mismatch.file_name);
  for (const auto& [name, array] : file.arrays) {
    if (used.count(name) == 0 && !is_derived_name(name)) result.unexpected.push_back(name);
  }
  return result;
}

LoadedWeights load_weights_for(const WeightFile& file, const std::vector<ParameterSpec>& model) {
  LoadedWeights loaded;
  loaded.match = match_weights(file, model);
  for (const ParameterSpec& spec : model) {
    const auto found = loaded.match.matched.find(spec.name);
    if (found == loaded.match.matched.end()) continue;
    NDArray array = as_float32(file.arrays.at(found->second), spec.shape);
    if (spec.frozen_bn && leaf_of(spec.name) == "running_var" && array.dtype == DType::float32) {
      const std::int64_t version = module_version(file, module_of(found->second));
      float* values = array.data<float>();
      for (std::int64_t i = 0; version >= 0 && version < 3 && i < array.size(); ++i) values[i] -= kFrozenBnEpsilon;
    }
    loaded.arrays[spec.name] = std::move(array);
  }
  fill_frozen_statistics(file, model, loaded);
  return loaded;
}

std::string format_match_report(const MatchResult& match, const std::string& path) {
  std::string text;
  if (match.matched.empty()) text = fmt::format("{}: nothing in it fits the model; is it for another model?", path);
  std::vector<std::string> shapes;
  for (const ShapeMismatch& mismatch : match.mismatched) {
    shapes.push_back(fmt::format("{}: file {}, model {}", mismatch.model_name, to_string(mismatch.file_shape),
                                 to_string(mismatch.model_shape)));
  }
  add_section(text, "Other shapes in the file, left as initialised (usual when fine-tuning on other classes):", shapes);
  add_section(text, "Not in the file, left as initialised:", grouped_names(match.missing));
  add_section(text, "In the file, but not in the model:", grouped_names(match.unexpected));
  return text;
}

}  // namespace fastermask
