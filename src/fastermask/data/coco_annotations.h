// Reads the annotations of a COCO file, several blocks of them at a time. Internal to the data layer: coco.h does the
// rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fastermask/data/annotation_table.h"
#include "fastermask/data/dataset.h"
#include "fastermask/data/json_scan.h"

namespace fastermask::coco {

// What the rest of the file says.
struct AnnotationContext {
  std::string where;      // opens error messages
  std::string_view text;  // the whole file
  const std::vector<ImageRecord>* images = nullptr;
  const std::unordered_map<std::int64_t, std::uint32_t>* image_index = nullptr;  // id -> place in images
  const std::unordered_map<std::int64_t, int>* category_index = nullptr;         // id -> contiguous class
  bool keypoints = true;                                                         // false: they are passed over
  std::size_t keypoint_names = 0;                                                // of the categories; 0: they name none
};

struct Annotations {
  AnnotationTable table;                 // in the order of the file
  std::vector<std::uint32_t> row_image;  // [row] place of its image
  std::vector<std::int64_t> ids;         // of all annotations, with those that have no row
  std::size_t keypoint_count = 0;        // of every row that has keypoints
  std::int64_t without_image = 0;        // no row: the file does not list their image
  std::int64_t without_polygons = 0;     // no row: none of their polygons has at least 3 corners
  std::int64_t dropped_polygons = 0;
};

// Reads `section`, a list of annotation objects in context.text; `scanner` is of that text. Throws DataError naming the
// annotation for what is broken or wrong (the first in the file, whatever thread finds it), MaskFileFound for masks in
// PNG files.
Annotations read_annotations(json::Scanner& scanner, std::string_view section, const AnnotationContext& context);

// "annotation 17" by the id of the object, or "annotations[3]" when it has none. `readable` as in ObjectParser.
std::string name_of_object(std::string_view object, std::size_t readable, std::size_t number, const char* singular,
                           const char* section);

}  // namespace fastermask::coco
