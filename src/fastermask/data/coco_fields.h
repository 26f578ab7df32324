// Reads the objects of COCO JSON (images, categories, annotations) field by field, with checks. Internal to the data
// layer: coco.h puts them together.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/structures/instances.h"

namespace fastermask::coco {

// What is wrong with an object ("bbox must be 4 numbers, got 3"); the caller adds the file and which object.
class FieldProblem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An annotation whose segmentation is the path of a PNG, or {"png": path}: mask_files.h reads it.
class MaskFileFound : public std::runtime_error {
 public:
  MaskFileFound() : std::runtime_error("segmentation names a PNG file") {}
};

struct ImageFields {
  std::int64_t id = 0;
  std::string file_name;
  int height = 0;
  int width = 0;
};

struct CategoryFields {
  std::int64_t id = 0;
  std::string name;
  std::vector<std::string> keypoints;
  std::vector<std::pair<int, int>> skeleton;  // from 0
};

struct AnnotationFields {
  std::int64_t id = 0;
  std::int64_t image_id = 0;
  std::int64_t category_id = 0;
  std::array<double, 4> bbox_xywh{};
  std::optional<double> area;
  bool crowd = false;
  Segmentation segmentation;
  bool lost_polygons = false;  // it had polygons and none of them was usable
  int dropped_polygons = 0;    // with under 6 numbers or an odd count
  std::vector<Keypoint> keypoints;  // as in the file: no 0.5 added
};

// Parses single objects, one after another, into the same buffers.
class ObjectParser {
 public:
  // `object` is the text of one JSON object; `readable` is how many bytes may be read from its beginning (the parser
  // looks a little past the end). Throw FieldProblem; annotation() also MaskFileFound.
  ImageFields image(std::string_view object, std::size_t readable);
  CategoryFields category(std::string_view object, std::size_t readable);
  void annotation(std::string_view object, std::size_t readable, AnnotationFields& fields);

  // The value of one whole-number field, or nothing: for error messages, so it never throws.
  std::optional<std::int64_t> find_integer(std::string_view object, std::size_t readable, std::string_view key);

 private:
  simdjson::ondemand::document open(std::string_view object, std::size_t readable);

  simdjson::ondemand::parser parser_;
  std::string padded_;
};

}  // namespace fastermask::coco
