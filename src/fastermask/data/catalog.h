// Data sets by name: detectron2's builtin names, ANNOTATIONS.json:IMAGE_FOLDER pairs and VOC_FOLDER@SPLIT, joined and
// filtered as training wants them. detectron2 data/datasets/builtin.py, data/build.py.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/dataset.h"

namespace fastermask {

// Where one data set lies.
struct DatasetLocation {
  std::string name;
  std::string annotation_file;
  std::string image_root;
  bool keypoints = false;  // a person-keypoint set
  std::string mask_root = {};  // folder that the paths of mask files start from; "": that of annotation_file
  DatasetMetric metric = DatasetMetric::coco;
};

// The builtin names, in alphabetical order.
std::vector<std::string> builtin_dataset_names();

// Finds a builtin name (under $FASTERMASK_DATASETS, $DETECTRON2_DATASETS, ./datasets: the first that has the annotation
// file), takes a pair apart at the ':' that leaves an existing file or a name ending in .json on its left, or reads a
// Pascal VOC folder (voc_folder.h) into a COCO file in the cache folder. `class_names`: the classes of a VOC folder
// that has no labels.txt; the builtin VOC sets have their 20. Throws DataError: unknown name (with a suggestion and the
// list), annotation file or image folder missing (with the places looked in).
DatasetLocation find_dataset(const std::string& name_or_pair, const std::vector<std::string>& class_names = {});

// What the config says about how data sets are read.
struct DatasetLoading {
  double max_bad_share = 0;  // > 0: leave out images and annotations that cannot be used, up to this share of a set
  std::vector<std::string> class_names;     // [C] in place of the set's; empty: the set's
  std::vector<std::string> keypoint_names;  // [K] likewise
};

// Class and keypoint names of the config. Throws ConfigError when there are class names, but not NUM_CLASSES of them.
DatasetLoading dataset_loading(const Config& config);

// find_dataset and load_coco, with the keypoint names of COCO persons where the set has person keypoints, and masks in
// PNG files read (mask_files.h). Throws ConfigError when the names given are not as many as the set's.
Dataset load_dataset(const std::string& name_or_pair, const DatasetLoading& loading = {});

// What training asks of its data; the defaults are those of evaluation.
struct DatasetFilter {
  bool filter_empty = false;  // drop images without an annotation other than crowds
  int min_keypoints = 0;      // > 0: drop images with fewer visible keypoints in all
  DatasetLoading loading = {};
};

// Loads all sets, joins them (class names and keypoints must agree: otherwise DataError with the first difference),
// filters, logs the class
// histogram and counts in detectron2's words. Throws DataError when nothing is left.
std::shared_ptr<const Dataset> load_datasets(const std::vector<std::string>& names, const DatasetFilter& filter = {});

// The set with only the images `filter` lets through. Logs "Removed N images with no usable annotations. M images
// left."
Dataset filter_dataset(Dataset dataset, const DatasetFilter& filter);

// Instances of each class, crowds left out: [C].
std::vector<std::int64_t> class_histogram(const Dataset& dataset);

// The table "Distribution of instances among all N categories:" as detectron2 prints it.
std::string class_histogram_table(const Dataset& dataset);

}  // namespace fastermask
