#include "fastermask/data/catalog.h"

#include <algorithm>
#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"
#include "fastermask/base/text.h"
#include "fastermask/data/coco.h"
#include "fastermask/data/usable_annotations.h"

namespace fastermask {
namespace {

// Below this, parsing a file takes some hundredths of a second and an index would only be litter.
constexpr std::int64_t kIndexFromBytes = 8 << 20;

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

// "a.json:images" -> ("a.json", "images"); an empty first part when `pair` is not a pair.
std::pair<std::string, std::string> split_pair(const std::string& pair) {
  for (std::size_t at = pair.find(':'); at != std::string::npos; at = pair.find(':', at + 1)) {
    const std::string left = expand_user(pair.substr(0, at));
    if (ends_with(to_lower(left), ".json") || is_file(left)) return {left, expand_user(pair.substr(at + 1))};
  }
  return {};
}

void join_into(Dataset& joined, const Dataset& other) {
  if (joined.class_names != other.class_names) {
    fail<DataError>("dataset: {} and {} cannot be joined: their classes differ ({} and {}: {} ... and {} ...)",
                    joined.name, other.name, joined.num_classes(), other.num_classes(), joined.class_names.front(),
                    other.class_names.front());
  }
  if (joined.keypoint_names != other.keypoint_names) {
    fail<DataError>("dataset: {} and {} cannot be joined: their keypoints differ", joined.name, other.name);
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
  return names;
}

DatasetLocation find_dataset(const std::string& name_or_pair) {
  for (const BuiltinSet& set : kBuiltinSets) {
    if (name_or_pair == set.name) return find_builtin(set);
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
  const std::vector<std::string> names = builtin_dataset_names();
  if (ends_with(to_lower(name_or_pair), ".json")) {
    fail<DataError>("dataset: '{}' names annotations without an image folder; write {}:IMAGE_FOLDER", name_or_pair,
                    name_or_pair);
  }
  fail<DataError>("dataset: unknown data set '{}'{}; a data set is ANNOTATIONS.json:IMAGE_FOLDER or one of {}",
                  name_or_pair, did_you_mean(name_or_pair, names), join(names, ", "));
}

Dataset load_dataset(const std::string& name_or_pair, double max_bad_share) {
  const DatasetLocation location = find_dataset(name_or_pair);
  Dataset dataset = load_usable_annotations(location, max_bad_share);
  if (location.keypoints && dataset.keypoint_names.empty()) set_coco_person_keypoints(dataset);
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
  Dataset joined = load_dataset(names.front(), filter.max_bad_share);
  for (std::size_t i = 1; i < names.size(); ++i) join_into(joined, load_dataset(names[i], filter.max_bad_share));
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
