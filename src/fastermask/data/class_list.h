// classes.json: the class names and category ids a model was trained with, kept beside its weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fastermask {

struct ClassList {
  std::vector<std::string> names;          // [K]
  std::vector<std::int64_t> category_ids;  // [K]
};

// Writes {"names": [...], "category_ids": [...]}; the file appears whole or not at all.
void save_class_list(const std::string& path, const ClassList& classes);

// Throws DataError for a file of another form.
ClassList load_class_list(const std::string& path);

// COCO's 80 object categories in detectron2's order.
const ClassList& coco_class_list();

}  // namespace fastermask
