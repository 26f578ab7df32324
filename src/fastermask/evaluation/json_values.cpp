#include "fastermask/evaluation/json_values.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/rle_runs.h"
#include "fastermask/kernels/rle.h"

namespace fastermask::evaluation_json {
namespace {

namespace od = simdjson::ondemand;

// What a value is, for messages: numbers and odd words (NaN) as they stand in the file.
std::string json_value_kind(od::value& value) {
  const std::string_view token = value.raw_json_token();
  std::string word(token.substr(0, std::min<std::size_t>(token.find_first_of(" ,]}\n\r\t"), 40)));
  if (word.empty()) return "nothing";
  switch (word.front()) {
    case '[': return "a list";
    case '{': return "an object";
    case '"': return "a string";
    default: return word;
  }
}

template <class... Args>
[[noreturn]] void value_problem(fmt::format_string<Args...> format, Args&&... args) {
  throw ValueProblem(fmt::format(format, std::forward<Args>(args)...));
}

// The elements of a list of numbers, at most `capacity` of them kept; returns how many there are.
std::size_t read_number_list(od::value value, const char* name, double* out, std::size_t capacity) {
  od::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) {
    value_problem("{} must be a list of numbers, got {}", name, json_value_kind(value));
  }
  std::size_t count = 0;
  for (auto result : array) {
    od::value item;
    if (const auto code = result.get(item); code != simdjson::SUCCESS) throw_broken(code);
    const double number = read_number(item, name);
    if (count < capacity) out[count] = number;
    ++count;
  }
  return count;
}

void read_polygons(od::value value, SegmentationFields& fields) {
  od::array array;
  if (const auto code = value.get_array().get(array); code != simdjson::SUCCESS) throw_broken(code);
  fields.kind = SegmentationFields::Kind::polygons;
  fields.polygons.clear();
  for (auto result : array) {
    od::value item;
    if (const auto code = result.get(item); code != simdjson::SUCCESS) throw_broken(code);
    read_numbers(item, "segmentation polygon", fields.polygons.emplace_back());
  }
}

void read_rle_size(od::value value, SegmentationFields& fields) {
  double size[2] = {-1, -1};
  const std::size_t count = read_number_list(value, "segmentation size", size, 2);
  if (count != 2) value_problem("segmentation size must be (height, width), got {} numbers", count);
  for (const double extent : size) {
    if (!(extent >= 0 && extent <= 1e6 && extent == std::floor(extent))) {
      value_problem("segmentation size must be two whole numbers, got ({}, {})", size[0], size[1]);
    }
  }
  fields.height = static_cast<int>(size[0]);
  fields.width = static_cast<int>(size[1]);
}

void read_rle_fields(od::value value, SegmentationFields& fields) {
  od::object object;
  if (const auto code = value.get_object().get(object); code != simdjson::SUCCESS) throw_broken(code);
  bool has_size = false;
  for_each_member(object, [&](od::raw_json_string key, od::value item) {
    if (key.unsafe_is_equal("size")) {
      read_rle_size(item, fields);
      has_size = true;
    } else if (key.unsafe_is_equal("counts")) {
      if (item.get_string().get(fields.text) == simdjson::SUCCESS) {
        fields.kind = SegmentationFields::Kind::counts_text;
      } else {
        read_numbers(item, "segmentation counts", fields.counts);
        fields.kind = SegmentationFields::Kind::counts_list;
      }
    }
  });
  if (!has_size) value_problem("segmentation has no size");
  if (fields.kind == SegmentationFields::Kind::none) value_problem("segmentation has no counts");
}

}  // namespace

void throw_broken(simdjson::error_code code) { throw BrokenJson(simdjson::error_message(code)); }

std::int64_t read_integer(od::value value, const char* name) {
  std::int64_t number = 0;
  if (value.get_int64().get(number) == simdjson::SUCCESS) return number;
  double real = 0;
  if (value.get_double().get(real) == simdjson::SUCCESS && std::abs(real) < 9e15 && real == std::floor(real)) {
    return static_cast<std::int64_t>(real);
  }
  value_problem("{} must be a whole number, got {}", name, json_value_kind(value));
}

double read_number(od::value value, const char* name) {
  double number = 0;
  if (value.get_double().get(number) == simdjson::SUCCESS && std::isfinite(number)) return number;
  value_problem("{} must be a finite number, got {}", name, json_value_kind(value));
}

bool read_flag(od::value value, const char* name) {
  bool flag = false;
  if (value.get_bool().get(flag) == simdjson::SUCCESS) return flag;
  bool null = false;
  if (value.is_null().get(null) == simdjson::SUCCESS && null) return false;
  return read_number(value, name) != 0;
}

std::string read_text(od::value value, const char* name) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
  value_problem("{} must be a string, got {}", name, json_value_kind(value));
}

void read_numbers(od::value value, const char* name, std::vector<double>& out) {
  out.clear();
  od::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) {
    value_problem("{} must be a list of numbers, got {}", name, json_value_kind(value));
  }
  for (auto result : array) {
    od::value item;
    if (const auto code = result.get(item); code != simdjson::SUCCESS) throw_broken(code);
    out.push_back(read_number(item, name));
  }
}

bool read_box(od::value value, std::array<double, 4>& xywh) {
  const std::size_t count = read_number_list(value, "bbox", xywh.data(), 4);
  if (count == 0) return false;
  if (count != 4) value_problem("bbox must be 4 numbers (x, y, width, height), got {}", count);
  return true;
}

void read_segmentation(od::value value, SegmentationFields& fields) {
  fields.kind = SegmentationFields::Kind::none;
  od::json_type type{};
  if (const auto code = value.type().get(type); code != simdjson::SUCCESS) throw_broken(code);
  if (type == od::json_type::array) {
    read_polygons(value, fields);
  } else if (type == od::json_type::object) {
    read_rle_fields(value, fields);
  } else if (type != od::json_type::null) {
    value_problem("segmentation must be polygons or an RLE, got {}", json_value_kind(value));
  }
}

void unpack_rle(const SegmentationFields& fields, Rle& rle) {
  rle.height = fields.height;
  rle.width = fields.width;
  try {
    if (fields.kind == SegmentationFields::Kind::counts_text) {
      unpack_rle_text(fields.text, rle);
      return;
    }
    rle.counts.clear();
    rle.counts.reserve(fields.counts.size());
    for (const double count : fields.counts) {
      if (!(count >= 0 && count <= std::numeric_limits<std::uint32_t>::max() && count == std::floor(count))) {
        value_problem("segmentation counts must be whole numbers from 0 to 2^32 - 1, got {}", count);
      }
      rle.counts.push_back(static_cast<std::uint32_t>(count));
    }
    check_rle(rle, "rle");
  } catch (const DataError& error) {
    value_problem("segmentation: {}", error.what());
  }
}

Rle draw_polygons(const Polygons& polygons, int height, int width) {
  try {
    std::vector<Rle> parts;
    const bool boxes = !polygons.empty() && polygons.front().size() == 4;
    for (const Polygon& polygon : polygons) {
      if (boxes) {
        if (polygon.size() != 4)
          value_problem("segmentation mixes boxes of 4 numbers with a polygon of {}", polygon.size());
        parts.push_back(box_to_rle({polygon[0], polygon[1], polygon[2], polygon[3]}, height, width));
      } else if (polygon.size() >= 6) {  // two points or fewer enclose nothing
        parts.push_back(polygon_to_rle(Span<const double>(polygon.data(), polygon.size() / 2 * 2), height, width));
      }
    }
    if (parts.empty())
      return Rle{height, width, {static_cast<std::uint32_t>(height) * static_cast<std::uint32_t>(width)}};
    return parts.size() == 1 ? std::move(parts.front()) : rle_merge(parts);
  } catch (const DataError& error) {
    value_problem("segmentation: {}", error.what());
  }
}

}  // namespace fastermask::evaluation_json
