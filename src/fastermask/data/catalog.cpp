#include "fastermask/data/catalog.h"

#include <algorithm>
#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/derived_files.h"
#include "fastermask/data/usable_annotations.h"
#include "fastermask/data/voc_folder.h"

namespace fastermask {
namespace {

struct BuiltinSet {
  const char* name;
  const char* images;       // under the root
  const char* annotations;  // under the root
};

// detectron2 data/datasets/builtin.py.
constexpr BuiltinSet kBuiltinSets[] = {
    {"coco_2014_minival", "coco/val2014", "coco/annotations/instances_minival2014.json"},
    {"coco_2014_minival_100", "coco/val2014", "coco/annotations/instances_minival2014_100.json"},
    {"coco_2014_train", "coco/train2014", "coco/annotations/instances_train2014.json"},
    {"coco_2014_val", "coco/val2014", "coco/annotations/instances_val2014.json"},
    {"coco_2014_valminusminival", "coco/val2014", "coco/annotations/instances_valminusminival2014.json"},
    {"coco_2017_test", "coco/test2017", "coco/annotations/image_info_test2017.json"},
    {"coco_2017_test-dev", "coco/test2017", "coco/annotations/image_info_test-dev2017.json"},
    {"coco_2017_train", "coco/train2017", "coco/annotations/instances_train2017.json"},
    {"coco_2017_val", "coco/val2017", "coco/annotations/instances_val2017.json"},
    {"coco_2017_val_100", "coco/val2017", "coco/annotations/instances_val2017_100.json"},
    {"keypoints_coco_2014_minival", "coco/val2014", "coco/annotations/person_keypoints_minival2014.json"},
    {"keypoints_coco_2014_minival_100", "coco/val2014", "coco/annotations/person_keypoints_minival2014_100.json"},
    {"keypoints_coco_2014_train", "coco/train2014", "coco/annotations/person_keypoints_train2014.json"},
    {"keypoints_coco_2014_val", "coco/val2014", "coco/annotations/person_keypoints_val2014.json"},
    {"keypoints_coco_2014_valminusminival", "coco/val2014",
     "coco/annotations/person_keypoints_valminusminival2014.json"},
    {"keypoints_coco_2017_train", "coco/train2017", "coco/annotations/person_keypoints_train2017.json"},
    {"keypoints_coco_2017_val", "coco/val2017", "coco/annotations/person_keypoints_val2017.json"},
    {"keypoints_coco_2017_val_100", "coco/val2017", "coco/annotations/person_keypoints_val2017_100.json"},
    {"lvis_v1_train", "coco", "lvis/lvis_v1_train.json"},
    {"lvis_v1_val", "coco", "lvis/lvis_v1_val.json"},
};

struct BuiltinVoc {
  const char* name;
  const char* folder;  // under the root, or under VOCdevkit/ there
  const char* split;
};

constexpr BuiltinVoc kBuiltinVocs[] = {
    {"voc_2007_test", "VOC2007", "test"},         {"voc_2007_train", "VOC2007", "train"},
    {"voc_2007_trainval", "VOC2007", "trainval"}, {"voc_2007_val", "VOC2007", "val"},
    {"voc_2012_train", "VOC2012", "train"},       {"voc_2012_trainval", "VOC2012", "trainval"},
    {"voc_2012_val", "VOC2012", "val"},
};

std::vector<std::string> dataset_roots() {
  std::vector<std::string> roots;
  for (const char* variable : {"FASTERMASK_DATASETS", "DETECTRON2_DATASETS"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') roots.push_back(expand_user(value));
  }
  roots.emplace_back("./datasets");
  return roots;
}

void check_location(const DatasetLocation& location) {
  if (!is_file(location.annotation_file)) {
    fail<DataError>("dataset: {}: no such annotation file", location.annotation_file);
  }
  if (!is_folder(location.image_root)) {
    fail<DataError>("dataset: {}: no such image folder (of annotations {})", location.image_root,
                    location.annotation_file);
  }
}

DatasetLocation find_builtin(const BuiltinSet& set) {
  std::vector<std::string> tried;
  for (const std::string& root : dataset_roots()) {
    DatasetLocation location;
    location.name = set.name;
    location.annotation_file = join_path(root, set.annotations);
    location.image_root = join_path(root, set.images);
    location.keypoints = starts_with(set.name, "keypoints_");
    if (is_file(location.annotation_file)) {
      check_location(location);
      return location;
    }
    tried.push_back(location.annotation_file);
  }
  fail<DataError>(
      "dataset: {}: annotations not found; looked for {}; put the data there, or set $FASTERMASK_DATASETS to "
      "the folder that holds coco/",
      set.name, join(tried, ", "));
}

// detectron2 takes the year from the name: the sets of 2007 are measured in the way of that year.
DatasetLocation read_voc(const std::string& name, const std::string& folder, const std::string& split,
                         const std::vector<std::string>& class_names) {
  DatasetLocation location;
  location.name = name;
  location.image_root = join_path(folder, "JPEGImages");
  location.metric = name.find("2007") == std::string::npos ? DatasetMetric::voc : DatasetMetric::voc_2007;
  location.annotation_file =
      write_derived_file(folder, split, voc_to_coco(folder, split, class_names), join(class_names, "\n"));
  return location;
}

DatasetLocation find_builtin_voc(const BuiltinVoc& set) {
  std::vector<std::string> tried;
  for (const std::string& root : dataset_roots()) {
    for (const std::string& folder :
         {join_path(root, set.folder), join_path(join_path(root, "VOCdevkit"), set.folder)}) {
      if (is_folder(folder)) return read_voc(set.name, folder, set.split, voc_class_names());
      tried.push_back(folder);
    }
  }
  fail<DataError>(
      "dataset: {}: folder not found; looked for {}; put the data there, or set $FASTERMASK_DATASETS to the folder "
      "that holds {}/",
      set.name, join(tried, ", "), set.folder);
}

// "a.json:images" -> ("a.json", "images"); an empty first part when `pair` is not a pair.
std::pair<std::string, std::string> split_pair(const std::string& pair) {
  for (std::size_t at = pair.find(':'); at != std::string::npos; at = pair.find(':', at + 1)) {
    const std::string left = expand_user(pair.substr(0, at));
    if (ends_with(to_lower(left), ".json") || is_file(left)) return {left, expand_user(pair.substr(at + 1))};
  }
  return {};
}

// "category 3 is 'cow' in A, 'cat' in B", or what only one of them has; "" when the names agree.
std::string first_difference(const std::string& what, const std::vector<std::string>& a, const std::string& a_name,
                             const std::vector<std::string>& b, const std::string& b_name) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] != b[i])
      return fmt::format("{} {} is '{}' in {}, but '{}' in {}", what, i + 1, a[i], a_name, b[i], b_name);
  }
  if (a.size() == b.size()) return "";
  const bool a_longer = a.size() > b.size();
  const std::size_t i = std::min(a.size(), b.size());
  return fmt::format("{} has {}, {} has {}: only {} has {} {}, '{}'", a_name, a.size(), b_name, b.size(),
                     a_longer ? a_name : b_name, what, i + 1, a_longer ? a[i] : b[i]);
}

void join_into(Dataset& joined, const Dataset& other) {
  const std::string classes =
      first_difference("category", joined.class_names, joined.name, other.class_names, other.name);
  if (!classes.empty()) {
    fail<DataError>("dataset: {} and {} cannot be joined: their categories differ: {}", joined.name, other.name,
                    classes);
  }
  const std::string keypoints =
      first_difference("keypoint", joined.keypoint_names, joined.name, other.keypoint_names, other.name);
  if (!keypoints.empty()) {
    fail<DataError>("dataset: {} and {} cannot be joined: their keypoints differ: {}", joined.name, other.name,
                    keypoints);
  }
  joined.name += " + " + other.name;
  for (ImageRecord record : other.records) {
    const std::uint32_t first = record.first_annotation;
    record.first_annotation = static_cast<std::uint32_t>(joined.table.size());
    for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
      joined.table.add_from(other.table, other.table.row(first + i));
    }
    joined.records.push_back(std::move(record));
  }
}

Dataset load_unnamed(const std::string& name, const DatasetLoading& loading) {
  const DatasetLocation location = find_dataset(name, loading.class_names);
  Dataset dataset = load_usable_annotations(location, loading.max_bad_share);
  if (location.keypoints && dataset.keypoint_names.empty()) set_coco_person_keypoints(dataset);
  dataset.metric = location.metric;
  return dataset;
}

void apply_names(Dataset& dataset, const DatasetLoading& loading) {
  if (!loading.class_names.empty() && loading.class_names != dataset.class_names) {
    if (loading.class_names.size() != dataset.class_names.size()) {
      fail<ConfigError>("config: DATASETS.CLASS_NAMES must have {} names, as many as {} has categories, got {}",
                        dataset.class_names.size(), dataset.name, loading.class_names.size());
    }
    dataset.class_names = loading.class_names;
  }
  if (!loading.keypoint_names.empty() && !dataset.keypoint_names.empty()) {
    if (loading.keypoint_names.size() != dataset.keypoint_names.size()) {
      fail<ConfigError>("config: DATASETS.KEYPOINT_NAMES must have {} names, as many as {} has keypoints, got {}",
                        dataset.keypoint_names.size(), dataset.name, loading.keypoint_names.size());
    }
    dataset.keypoint_names = loading.keypoint_names;
    pair_left_and_right(dataset);
  }
}

template <class Keep>
std::size_t remove_records(Dataset& dataset, Keep keep) {
  const std::size_t before = dataset.records.size();
  const auto end = std::remove_if(dataset.records.begin(), dataset.records.end(),
                                  [&](const ImageRecord& record) { return !keep(record); });
  dataset.records.erase(end, dataset.records.end());
  return before - dataset.records.size();
}

}  // namespace

std::vector<std::string> builtin_dataset_names() {
  std::vector<std::string> names;
  for (const BuiltinSet& set : kBuiltinSets) names.emplace_back(set.name);
  for (const BuiltinVoc& set : kBuiltinVocs) names.emplace_back(set.name);
  return names;
}

DatasetLocation find_dataset(const std::string& name_or_pair, const std::vector<std::string>& class_names) {
  for (const BuiltinSet& set : kBuiltinSets) {
    if (name_or_pair == set.name) return find_builtin(set);
  }
  for (const BuiltinVoc& set : kBuiltinVocs) {
    if (name_or_pair == set.name) return find_builtin_voc(set);
  }
  const auto [annotations, images] = split_pair(name_or_pair);
  if (!annotations.empty()) {
    DatasetLocation location;
    location.name = name_or_pair;
    location.annotation_file = annotations;
    location.image_root = images.empty() ? "." : images;
    check_location(location);
    return location;
  }
  if (const std::size_t at = name_or_pair.rfind('@'); at != std::string::npos) {
    const std::string folder = expand_user(name_or_pair.substr(0, at));
    if (!is_folder(folder)) fail<DataError>("dataset: {}: no such folder (of {})", folder, name_or_pair);
    return read_voc(name_or_pair, folder, name_or_pair.substr(at + 1), class_names);
  }
  const std::vector<std::string> names = builtin_dataset_names();
  if (ends_with(to_lower(name_or_pair), ".json")) {
    fail<DataError>("dataset: '{}' names annotations without an image folder; write {}:IMAGE_FOLDER", name_or_pair,
                    name_or_pair);
  }
  fail<DataError>(
      "dataset: unknown data set '{}'{}; a data set is ANNOTATIONS.json:IMAGE_FOLDER, VOC_FOLDER@SPLIT "
      "or one of {}",
      name_or_pair, did_you_mean(name_or_pair, names), join(names, ", "));
}

DatasetLoading dataset_loading(const Config& config) {
  DatasetLoading loading;
  loading.class_names = config.datasets.class_names;
  loading.keypoint_names = config.datasets.keypoint_names;
  const std::size_t count = static_cast<std::size_t>(config.model.roi_heads.num_classes);
  if (!loading.class_names.empty() && config.model.meta_architecture != "ProposalNetwork" &&
      loading.class_names.size() != count) {
    fail<ConfigError>("config: DATASETS.CLASS_NAMES must have {} names, as MODEL.ROI_HEADS.NUM_CLASSES says, got {}",
                      count, loading.class_names.size());
  }
  return loading;
}

Dataset load_dataset(const std::string& name_or_pair, const DatasetLoading& loading) {
  Dataset dataset = load_unnamed(name_or_pair, loading);
  apply_names(dataset, loading);
  return dataset;
}

Dataset filter_dataset(Dataset dataset, const DatasetFilter& filter) {
  const auto any_row = [&dataset](const ImageRecord& record, auto test) {
    for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
      if (test(dataset.table.row(record.first_annotation + i))) return true;
    }
    return false;
  };
  if (filter.filter_empty) {
    const std::size_t removed = remove_records(dataset, [&](const ImageRecord& record) {
      return any_row(record, [](const AnnotationRow& row) { return !row.crowd; });
    });
    log_info("data.build", "Removed {} images with no usable annotations. {} images left.", removed,
             dataset.records.size());
  }
  if (filter.min_keypoints > 0) {
    const std::size_t removed = remove_records(dataset, [&](const ImageRecord& record) {
      int visible = 0;
      return any_row(record, [&](const AnnotationRow& row) {
        visible += dataset.table.visible_keypoints(row);
        return visible >= filter.min_keypoints;
      });
    });
    log_info("data.build", "Removed {} images with fewer than {} keypoints.", removed, filter.min_keypoints);
  }
  return dataset;
}

std::shared_ptr<const Dataset> load_datasets(const std::vector<std::string>& names, const DatasetFilter& filter) {
  if (names.empty()) fail<DataError>("dataset: no data set is named; set DATASETS.TRAIN or DATASETS.TEST");
  Dataset joined = load_unnamed(names.front(), filter.loading);
  for (std::size_t i = 1; i < names.size(); ++i) join_into(joined, load_unnamed(names[i], filter.loading));
  apply_names(joined, filter.loading);
  joined = filter_dataset(std::move(joined), filter);
  if (joined.records.empty()) {
    fail<DataError>("dataset: {}: no images are left after leaving out those without usable annotations", joined.name);
  }
  log_info("data.build", "{}", class_histogram_table(joined));
  return std::make_shared<const Dataset>(std::move(joined));
}

std::vector<std::int64_t> class_histogram(const Dataset& dataset) {
  std::vector<std::int64_t> counts(dataset.class_names.size());
  for (const ImageRecord& record : dataset.records) {
    for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
      const AnnotationRow& row = dataset.table.row(record.first_annotation + i);
      if (!row.crowd) ++counts[static_cast<std::size_t>(row.category)];
    }
  }
  return counts;
}

}  // namespace fastermask
