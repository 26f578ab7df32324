// Data sets by name: detectron2's builtin names and ANNOTATIONS.json:IMAGE_FOLDER pairs, joined and filtered as
// training wants them. detectron2 data/datasets/builtin.py, data/build.py.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fastermask/data/dataset.h"

namespace fastermask {

// Where one data set lies.
struct DatasetLocation {
  std::string name;
  std::string annotation_file;
  std::string image_root;
  bool keypoints = false;  // a person-keypoint set
};

// The builtin names, in alphabetical order.
std::vector<std::string> builtin_dataset_names();

// Finds a builtin name (under $FASTERMASK_DATASETS, $DETECTRON2_DATASETS, ./datasets: the first that has the annotation
// file) or takes a pair apart at the ':' that leaves an existing file or a name ending in .json on its left.
// Throws DataError: unknown name (with a suggestion and the list), annotation file or image folder missing (with the
// places looked in).
DatasetLocation find_dataset(const std::string& name_or_pair);

// find_dataset and load_coco, with the keypoint names of COCO persons where the set has person keypoints.
// `max_bad_share` as in DatasetFilter.
Dataset load_dataset(const std::string& name_or_pair, double max_bad_share = 0);

// What training asks of its data; the defaults are those of evaluation.
struct DatasetFilter {
  bool filter_empty = false;  // drop images without an annotation other than crowds
  int min_keypoints = 0;      // > 0: drop images with fewer visible keypoints in all
  double max_bad_share = 0;   // > 0: leave out images and annotations that cannot be used, up to this share of a set
};

// Loads all sets, joins them (class names and keypoints must agree: DataError otherwise), filters, logs the class
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
