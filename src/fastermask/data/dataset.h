// A data set in memory: images and their annotations, read from COCO JSON. Annotations lie in a few flat arrays
// (AnnotationTable) rather than in a tree, so that COCO's 860 thousand polygons take little memory; annotations() makes
// the handy form for one image at a time.
//   I images   A annotations   C classes   K keypoints an instance
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fastermask/data/annotation_table.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

// One image of a data set and which rows of the annotation table belong to it.
struct ImageRecord {
  std::int64_t id = 0;
  std::string file_name;  // full path
  int height = 0;         // as the JSON says: the upright size
  int width = 0;
  std::uint32_t first_annotation = 0;
  std::uint32_t annotation_count = 0;

  ImageSize size() const { return {height, width}; }
};

// One instance of an image, as annotated, in the pixels of the original image.
struct Annotation {
  std::int64_t id = 0;
  int category = 0;                 // contiguous class index, 0 .. C-1
  Box box;                          // XYXY
  std::array<double, 4> xywh{};     // the same as in the file: (x, y, width, height)
  double area = 0;                  // the JSON's "area"; the box's when it has none
  bool crowd = false;
  Segmentation segmentation;        // monostate: none given
  std::vector<Keypoint> keypoints;  // [K] with COCO's integer coordinates + 0.5, or empty
};

// How detections of a set are measured: COCO's evaluation, or Pascal VOC's of boxes.
enum class DatasetMetric {
  coco,
  voc_2007,  // precision at eleven recalls
  voc,       // area under the curve
};

struct Dataset {
  std::string name;             // "coco_2017_train", or the pair as given; joined sets: names with " + "
  std::string annotation_file;  // of the first set when several were joined
  std::string image_root;
  DatasetMetric metric = DatasetMetric::coco;

  std::vector<std::string> class_names;    // [C]
  std::vector<std::int64_t> category_ids;  // [C] contiguous index -> category id in the JSON, ascending

  std::vector<std::string> keypoint_names;                              // [K], or empty
  std::vector<std::pair<std::string, std::string>> keypoint_flip_map;   // names that swap under a horizontal flip
  std::vector<std::pair<int, int>> skeleton;                            // pairs of keypoint indices (from 0) to join

  std::vector<ImageRecord> records;  // [I] ascending image id within each joined set
  AnnotationTable table;             // [A] in the order of `records`

  int num_classes() const { return static_cast<int>(class_names.size()); }

  // The annotations of one image, in the order of the JSON.
  std::vector<Annotation> annotations(const ImageRecord& record) const;

  // [K]: entry k is the keypoint that takes place k after a horizontal flip.
  std::vector<int> keypoint_flip_indices() const;
};

// Sets keypoint_flip_map: every pair of names that differ by "left" and "right".
void pair_left_and_right(Dataset& dataset);

// Keypoint names, flip map and skeleton of COCO persons (17 keypoints).
void set_coco_person_keypoints(Dataset& dataset);

}  // namespace fastermask
