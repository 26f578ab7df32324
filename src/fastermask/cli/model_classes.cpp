#include "fastermask/cli/model_classes.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/data/catalog.h"

namespace fastermask::cli {
namespace {

constexpr int kCocoPersonKeypoints = 17;

ClassList number_classes(std::vector<std::string> names) {
  ClassList classes;
  classes.names = std::move(names);
  for (std::size_t i = 0; i < classes.names.size(); ++i) {
    classes.category_ids.push_back(static_cast<std::int64_t>(i) + 1);
  }
  return classes;
}

ClassList find_classes(const Config& config) {
  const auto count = static_cast<std::size_t>(config.model.roi_heads.num_classes);
  const std::string beside =
      join_path(std::filesystem::path(config.model.weights).parent_path().string(), "classes.json");
  if (is_file(beside)) {
    const ClassList classes = load_class_list(beside);
    if (classes.names.size() == count) return classes;
  }
  std::vector<std::string> names = config.datasets.test;
  names.insert(names.end(), config.datasets.train.begin(), config.datasets.train.end());
  for (const std::string& name : names) {
    try {
      const Dataset dataset = load_dataset(name, dataset_loading(config));
      if (dataset.class_names.size() == count) return {dataset.class_names, dataset.category_ids, dataset.skeleton};
    } catch (const Error&) {
      // Not there: a model is used on machines that lack its data.
    }
  }
  if (!config.datasets.class_names.empty() && config.datasets.class_names.size() == count) {
    return number_classes(config.datasets.class_names);
  }
  if (count == coco_class_list().names.size()) return coco_class_list();
  std::vector<std::string> placeholders;
  for (std::size_t i = 0; i < count; ++i) placeholders.push_back(fmt::format("class {}", i));
  return number_classes(std::move(placeholders));
}

}  // namespace

ClassList find_model_classes(const Config& config) {
  ClassList classes = find_classes(config);
  const int keypoints = config.model.keypoint_on ? config.model.roi_keypoint_head.num_keypoints : 0;
  const bool fits = std::all_of(classes.skeleton.begin(), classes.skeleton.end(), [&](const auto& bone) {
    return std::min(bone.first, bone.second) >= 0 && std::max(bone.first, bone.second) < keypoints;
  });
  if (!fits) classes.skeleton.clear();
  if (classes.skeleton.empty() && keypoints == kCocoPersonKeypoints) classes.skeleton = coco_person_skeleton();
  return classes;
}

}  // namespace fastermask::cli
