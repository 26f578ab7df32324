// Reading the JSON of annotation tools, whose types are not to be trusted. Internal to the data layer.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/text.h"

namespace fastermask {

using ShapeJson = nlohmann::ordered_json;

// The JSON of a text; throws DataError "WHERE: broken JSON at byte ...".
inline ShapeJson parse_shape_json(const std::string& text, const std::string& where) {
  try {
    return ShapeJson::parse(text);
  } catch (const ShapeJson::parse_error& error) {
    fail<DataError>("{}: broken JSON at byte {}", where, error.byte);
  }
}

// The member of an object, or null when it is no object or has no such member.
inline const ShapeJson& shape_member(const ShapeJson& object, const char* name) {
  static const ShapeJson nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(name);
  return found == object.end() ? nothing : *found;
}

inline std::string shape_text(const ShapeJson& value) { return value.is_string() ? value.get<std::string>() : ""; }

// A coordinate; throws DataError unless it is a number of at most 1e6 in absolute value.
inline double shape_number(const ShapeJson& value, const std::string& what, const std::string& where) {
  const double number = value.is_number() ? value.get<double>() : HUGE_VAL;
  if (!(std::abs(number) <= 1e6)) {
    const std::string got = value.dump(-1, ' ', false, ShapeJson::error_handler_t::replace);
    fail<DataError>("{}: {} must be a number up to 1e6, got {}", where, what, got.substr(0, 40));
  }
  return number;
}

// Calls read(i) for i below `count`; what they throw is told together, up to five at once.
template <class Read>
void for_each_shape_file(std::size_t count, const Read& read) {
  constexpr std::size_t kNamed = 5;
  std::vector<std::string> errors;
  for (std::size_t i = 0; i < count; ++i) {
    try {
      read(i);
    } catch (const Error& error) {
      errors.emplace_back(error.what());
    }
  }
  if (errors.empty()) return;
  const std::size_t more = errors.size() - std::min(errors.size(), kNamed);
  errors.resize(errors.size() - more);
  fail<DataError>("{}{}", join(errors, "\n"), more > 0 ? fmt::format("\n... and {} more", more) : "");
}

}  // namespace fastermask
