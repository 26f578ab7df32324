#include "fastermask/data/coco_fields.h"

#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"

namespace fastermask::coco {
namespace {

namespace od = simdjson::ondemand;

template <class... Args>
[[noreturn]] void coco_problem(fmt::format_string<Args...> format, Args&&... args) {
  throw FieldProblem(fmt::format(format, std::forward<Args>(args)...));
}

const char* coco_type_name(od::value& value) {
  od::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return "something that is not JSON";
  switch (type) {
    case od::json_type::array: return "a list";
    case od::json_type::object: return "an object";
    case od::json_type::number: return "a number";
    case od::json_type::string: return "a string";
    case od::json_type::boolean: return "true or false";
    case od::json_type::null: break;
  }
  return "null";
}

std::int64_t coco_integer(od::value value, std::string_view key) {
  std::int64_t number = 0;
  if (value.get_int64().get(number) == simdjson::SUCCESS) return number;
  double real = 0;  // 3.0 is a whole number too
  if (value.get_double().get(real) == simdjson::SUCCESS &&
      real == static_cast<double>(static_cast<std::int64_t>(real))) {
    return static_cast<std::int64_t>(real);
  }
  const std::string_view kind = coco_type_name(value);
  coco_problem("{} must be a whole number, got {}", key,
               kind == "a number" ? "a fraction or a number too large" : kind);
}

double coco_number(od::value value, std::string_view key) {
  double number = 0;
  if (value.get_double().get(number) == simdjson::SUCCESS) return number;
  coco_problem("{} must be a number, got {}", key, coco_type_name(value));
}

std::string coco_text(od::value value, std::string_view key) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
  coco_problem("{} must be a string, got {}", key, coco_type_name(value));
}

bool coco_flag(od::value value, std::string_view key) {
  bool flag = false;
  if (value.get_bool().get(flag) == simdjson::SUCCESS) return flag;
  if (value.is_null()) return false;
  return coco_integer(value, key) != 0;
}

od::array coco_array(od::value value, std::string_view key) {
  od::array array;
  if (value.get_array().get(array) == simdjson::SUCCESS) return array;
  coco_problem("{} must be a list, got {}", key, coco_type_name(value));
}

template <class Visit>
void coco_for_each(od::array array, std::string_view key, Visit visit) {
  for (auto result : array) {
    od::value value;
    if (result.get(value) != simdjson::SUCCESS) coco_problem("{} is broken JSON", key);
    visit(value);
  }
}

// The double of a plain decimal number of at most two places ("123.45"), or nothing. Most coordinates are of that kind,
// and this is several times as fast as reading a double in general; n / 100.0 is the very double the text stands for.
bool plain_hundredths(std::string_view token, double& number) {
  const char* at = token.data();
  const char* const end = at + token.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  const char* const digits = at;
  std::int64_t whole = 0;
  const auto is_digit = [&] { return at != end && static_cast<unsigned char>(*at - '0') < 10; };
  for (; is_digit() && at - digits < 12; ++at) whole = 10 * whole + (*at - '0');
  if (at == digits || (*digits == '0' && at - digits > 1)) return false;
  std::int64_t hundredths = 100 * whole;
  if (at != end && *at == '.') {
    ++at;
    if (!is_digit()) return false;
    hundredths += 10 * (*at++ - '0');
    if (is_digit()) hundredths += *at++ - '0';
  }
  const bool ends = at == end || *at == ',' || *at == ']' || *at == ' ' || *at == '\n' || *at == '\r' || *at == '\t';
  if (!ends || (negative && hundredths == 0)) return false;
  number = static_cast<double>(negative ? -hundredths : hundredths) / 100.0;
  return true;
}

void coco_numbers(od::value value, std::string_view key, std::vector<double>& out) {
  out.clear();
  coco_for_each(coco_array(value, key), key, [&](od::value& item) {
    double number = 0;
    if (!plain_hundredths(item.raw_json_token(), number)) number = coco_number(item, key);
    out.push_back(number);
  });
}

int coco_dimension(od::value value, std::string_view key) {
  const std::int64_t number = coco_integer(value, key);
  if (number < 1 || number > std::numeric_limits<int>::max()) coco_problem("{} must be positive, got {}", key, number);
  return static_cast<int>(number);
}

// Calls visit(key, value) for every member.
template <class Visit>
void coco_members(od::object object, std::string_view what, Visit visit) {
  for (auto result : object) {
    od::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) coco_problem("{}is broken JSON", what);
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) coco_problem("{}has a broken key", what);
    visit(key, field.value());
  }
}

void coco_read_bbox(od::value value, AnnotationFields& fields) {
  std::size_t count = 0;
  coco_for_each(coco_array(value, "bbox"), "bbox", [&](od::value& item) {
    const double number = coco_number(item, "bbox");
    if (count < 4) fields.bbox_xywh[count] = number;
    ++count;
  });
  if (count != 4) coco_problem("bbox must be 4 numbers (x, y, width, height), got {}", count);
}

Rle coco_read_rle(od::value value) {
  std::vector<double> size;
  std::vector<double> runs;
  std::string text;
  bool has_text = false;
  bool has_runs = false;
  od::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) coco_problem("segmentation is broken JSON");
  coco_members(object, "segmentation ", [&](std::string_view key, od::value item) {
    if (key == "png") throw MaskFileFound();
    if (key == "size") {
      coco_numbers(item, "segmentation size", size);
    } else if (key == "counts") {
      od::json_type type{};
      has_runs = item.type().get(type) == simdjson::SUCCESS && type == od::json_type::array;
      has_text = !has_runs;
      if (has_runs) {
        coco_numbers(item, "segmentation counts", runs);
      } else {
        text = coco_text(item, "segmentation counts");
      }
    }
  });
  if (size.size() != 2) coco_problem("segmentation size must be (height, width), got {} numbers", size.size());
  if (!has_text && !has_runs) coco_problem("segmentation has no counts");
  for (const double extent : size) {
    if (!(extent >= 0 && extent <= 1e6 && extent == static_cast<int>(extent))) {
      coco_problem("segmentation size must be two whole numbers, got ({}, {})", size[0], size[1]);
    }
  }
  const int height = static_cast<int>(size[0]);
  const int width = static_cast<int>(size[1]);
  try {
    if (has_text) return rle_from_string(text, height, width);
    Rle rle{height, width, {}};
    for (const double run : runs) {
      if (!(run >= 0 && run <= 4294967295.0)) coco_problem("segmentation counts must not be negative, got {}", run);
      rle.counts.push_back(static_cast<std::uint32_t>(run));
    }
    check_rle(rle, "segmentation");
    return rle;
  } catch (const DataError& error) {
    throw FieldProblem(std::string("segmentation: ") + error.what());
  }
}

void coco_read_polygons(od::value value, AnnotationFields& fields) {
  Polygons polygons;
  std::size_t given = 0;
  coco_for_each(coco_array(value, "segmentation"), "segmentation", [&](od::value& item) {
    Polygon polygon;
    coco_numbers(item, "a segmentation polygon", polygon);
    if (polygon.size() < 6 || polygon.size() % 2 != 0) {
      ++fields.dropped_polygons;
    } else {
      try {
        check_polygon(polygon, fmt::format("segmentation polygon {}", given));
      } catch (const DataError& error) {
        throw FieldProblem(error.what());
      }
      polygons.push_back(std::move(polygon));
    }
    ++given;
  });
  fields.lost_polygons = given > 0 && polygons.empty();
  if (!polygons.empty()) fields.segmentation = std::move(polygons);
}

void coco_read_segmentation(od::value value, AnnotationFields& fields) {
  od::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) coco_problem("segmentation is broken JSON");
  if (type == od::json_type::object) {
    fields.segmentation = coco_read_rle(value);
  } else if (type == od::json_type::array) {
    coco_read_polygons(value, fields);
  } else if (type == od::json_type::string) {
    throw MaskFileFound();
  } else if (!value.is_null()) {
    coco_problem("segmentation must be a list of polygons, an RLE object or the path of a PNG, got {}",
                 coco_type_name(value));
  }
}

void coco_read_keypoints(od::value value, AnnotationFields& fields) {
  std::vector<double> numbers;
  coco_numbers(value, "keypoints", numbers);
  if (numbers.size() % 3 != 0)
    coco_problem("keypoints must be triples (x, y, visibility), got {} numbers", numbers.size());
  for (std::size_t i = 0; i < numbers.size(); i += 3) {
    fields.keypoints.push_back(
        {static_cast<float>(numbers[i]), static_cast<float>(numbers[i + 1]), static_cast<float>(numbers[i + 2])});
  }
}

// LVIS names no files: ".../train2017/000000391895.jpg" is the folder of COCO and the file in it.
bool take_name_from_url(const std::string& url, std::string& name) {
  const std::size_t file = url.rfind('/');
  if (file == std::string::npos || file == 0 || file + 1 == url.size()) return false;
  const std::size_t folder = url.rfind('/', file - 1);
  if (folder == std::string::npos) return false;
  name = url.substr(folder + 1);
  return true;
}

void coco_require(bool there, const char* key) {
  if (!there) coco_problem("has no {}", key);
}

}  // namespace

od::document ObjectParser::open(std::string_view object, std::size_t readable) {
  if (object.empty() || object.front() != '{') coco_problem("must be an object, got '{}'", object.substr(0, 20));
  std::size_t capacity = readable;
  if (capacity < object.size() + simdjson::SIMDJSON_PADDING) {
    padded_.assign(object);
    padded_.resize(object.size() + simdjson::SIMDJSON_PADDING);
    object = std::string_view(padded_).substr(0, object.size());
    capacity = padded_.size();
  }
  od::document document;
  const auto error = parser_.iterate(object.data(), object.size(), capacity).get(document);
  if (error != simdjson::SUCCESS) coco_problem("is broken JSON: {}", simdjson::error_message(error));
  return document;
}

ImageFields ObjectParser::image(std::string_view object, std::size_t readable) {
  od::document document = open(object, readable);
  ImageFields fields;
  bool id = false;
  bool file_name = false;
  std::string url;
  coco_members(document.get_object(), "", [&](std::string_view key, od::value value) {
    if (key == "id") {
      fields.id = coco_integer(value, key);
      id = true;
    } else if (key == "file_name") {
      fields.file_name = coco_text(value, key);
      file_name = true;
    } else if (key == "coco_url" && !value.is_null()) {
      url = coco_text(value, key);
    } else if (key == "height") {
      fields.height = coco_dimension(value, key);
    } else if (key == "width") {
      fields.width = coco_dimension(value, key);
    }
  });
  coco_require(id, "id");
  if (!file_name) file_name = take_name_from_url(url, fields.file_name);
  coco_require(file_name, "file_name");
  coco_require(fields.height > 0, "height");
  coco_require(fields.width > 0, "width");
  return fields;
}

CategoryFields ObjectParser::category(std::string_view object, std::size_t readable) {
  od::document document = open(object, readable);
  CategoryFields fields;
  bool id = false;
  bool has_name = false;
  coco_members(document.get_object(), "", [&](std::string_view key, od::value value) {
    if (key == "id") {
      fields.id = coco_integer(value, key);
      id = true;
    } else if (key == "name") {
      fields.name = coco_text(value, key);
      has_name = true;
    } else if (key == "keypoints") {
      coco_for_each(coco_array(value, key), key,
                    [&](od::value& item) { fields.keypoints.push_back(coco_text(item, "keypoints")); });
    } else if (key == "skeleton") {
      coco_for_each(coco_array(value, key), key, [&](od::value& item) {
        std::vector<double> pair;
        coco_numbers(item, "skeleton", pair);
        if (pair.size() != 2) coco_problem("skeleton must be pairs of numbers");
        fields.skeleton.emplace_back(static_cast<int>(pair[0]) - 1, static_cast<int>(pair[1]) - 1);
      });
    }
  });
  coco_require(id, "id");
  coco_require(has_name, "name");
  return fields;
}

void ObjectParser::annotation(std::string_view object, std::size_t readable, AnnotationFields& fields) {
  od::document document = open(object, readable);
  fields = AnnotationFields();
  bool id = false;
  bool image_id = false;
  bool category_id = false;
  bool bbox = false;
  coco_members(document.get_object(), "", [&](std::string_view key, od::value value) {
    if (key == "id") {
      fields.id = coco_integer(value, key);
      id = true;
    } else if (key == "image_id") {
      fields.image_id = coco_integer(value, key);
      image_id = true;
    } else if (key == "category_id") {
      fields.category_id = coco_integer(value, key);
      category_id = true;
    } else if (key == "bbox") {
      coco_read_bbox(value, fields);
      bbox = true;
    } else if (key == "area") {
      if (!value.is_null()) fields.area = coco_number(value, key);
    } else if (key == "iscrowd") {
      fields.crowd = coco_flag(value, key);
    } else if (key == "ignore") {
      if (coco_flag(value, key)) coco_problem("\"ignore\" is not supported; mark such regions with iscrowd");
    } else if (key == "segmentation") {
      coco_read_segmentation(value, fields);
    } else if (key == "keypoints") {
      coco_read_keypoints(value, fields);
    }
  });
  coco_require(id, "id");
  coco_require(image_id, "image_id");
  coco_require(category_id, "category_id");
  coco_require(bbox, "bbox");
}

std::optional<std::int64_t> ObjectParser::find_integer(std::string_view object, std::size_t readable,
                                                       std::string_view key) {
  try {
    od::document document = open(object, readable);
    std::int64_t number = 0;
    if (document.find_field_unordered(key).get_int64().get(number) == simdjson::SUCCESS) return number;
  } catch (const std::exception&) {
    // The object is too broken to look into.
  }
  return std::nullopt;
}

}  // namespace fastermask::coco
