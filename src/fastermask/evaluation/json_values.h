// Typed reading of JSON values, with messages that say what was expected and what is there. Internal to the evaluation
// layer: ground truth and results use it.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/structures/mask.h"

namespace fastermask::evaluation_json {

// What is wrong with a record ("bbox must be 4 numbers, got 3"); the caller adds the file and which record.
class ValueProblem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The JSON text itself is broken.
class BrokenJson : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Each throws ValueProblem or BrokenJson; `name` opens the message.
std::int64_t read_integer(simdjson::ondemand::value value, const char* name);  // 3.0 is a whole number too
double read_number(simdjson::ondemand::value value, const char* name);         // finite
bool read_flag(simdjson::ondemand::value value, const char* name);             // true, false, null or a number
std::string read_text(simdjson::ondemand::value value, const char* name);
void read_numbers(simdjson::ondemand::value value, const char* name, std::vector<double>& out);

// A box of four numbers. An empty list gives false.
bool read_box(simdjson::ondemand::value value, std::array<double, 4>& xywh);

// The mask of a "segmentation" field as it stands: a text of counts is kept as text, since it can be unpacked only
// once the mask's size is known.
struct SegmentationFields {
  enum class Kind { none, polygons, counts_text, counts_list };
  Kind kind = Kind::none;
  int height = 0;  // the RLE's
  int width = 0;
  std::string_view text;  // valid until the parser reads its next document
  std::vector<double> counts;
  Polygons polygons;
};
void read_segmentation(simdjson::ondemand::value value, SegmentationFields& fields);

// The RLE of such fields (not polygons), checked to fill its size. Throws ValueProblem.
void unpack_rle(const SegmentationFields& fields, Rle& rle);

// Polygons drawn by pycocotools' rules: a first polygon of four numbers means that all are boxes (x, y, width,
// height). Throws ValueProblem.
Rle draw_polygons(const Polygons& polygons, int height, int width);

[[noreturn]] void throw_broken(simdjson::error_code code);

// Calls visit(key, value) for every member of an object. The visitor compares keys with key == "name" (escapes in keys
// are not undone: COCO's field names have none).
template <class Visit>
void for_each_member(simdjson::ondemand::object object, const Visit& visit) {
  for (auto result : object) {
    simdjson::ondemand::field field;
    if (const auto code = std::move(result).get(field); code != simdjson::SUCCESS) throw_broken(code);
    visit(field.key(), field.value());
  }
}

}  // namespace fastermask::evaluation_json
