// classes.json: the class names and category ids a model was trained with, and which of its keypoints are joined for
// drawing; kept beside its weights.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fastermask {

struct ClassList {
  std::vector<std::string> names;          // [K]
  std::vector<std::int64_t> category_ids;  // [K]
  std::vector<std::pair<int, int>> skeleton = {};  // pairs of keypoint indices (from 0) to join; may be empty
};

// Writes {"names": [...], "category_ids": [...], "skeleton": [[a, b], ...]}; the file appears whole or not at all.
void save_class_list(const std::string& path, const ClassList& classes);

// Throws DataError for a file of another form. "skeleton" may be missing.
ClassList load_class_list(const std::string& path);

// COCO's 80 object categories in detectron2's order.
const ClassList& coco_class_list();

// The bones of COCO persons, pairs of their 17 keypoints.
const std::vector<std::pair<int, int>>& coco_person_skeleton();

}  // namespace fastermask
