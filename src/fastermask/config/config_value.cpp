#include "fastermask/config/config_value.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "fastermask/base/text.h"

namespace fastermask {
namespace {

// Digits with Python's underscores taken out; "" when the underscores are not between digits.
std::string strip_underscores(std::string_view text) {
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      digits += text[i];
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[i - 1])) &&
                         std::isalnum(static_cast<unsigned char>(text[i + 1]));
    if (!between) return "";
  }
  return digits;
}

// Removes a sign from the front; true when it was a minus.
bool take_sign(std::string_view& text) {
  if (text.empty() || (text[0] != '-' && text[0] != '+')) return false;
  const bool negative = text[0] == '-';
  text.remove_prefix(1);
  return negative;
}

}  // namespace

bool parse_integer(std::string_view text, std::int64_t& number) {
  const bool negative = take_sign(text);
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0]))) return false;
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) base = 16;
  if (base == 16) text.remove_prefix(2);
  const std::string digits = strip_underscores(text);
  std::int64_t magnitude = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (digits.empty() || status != std::errc() || end != digits.data() + digits.size() || magnitude < 0) return false;
  number = negative ? -magnitude : magnitude;
  return true;
}

bool parse_real(std::string_view text, double& number) {
  const bool negative = take_sign(text);
  const std::string lower = to_lower(text);
  double magnitude = 0;
  if (lower == "inf" || lower == ".inf") {
    magnitude = std::numeric_limits<double>::infinity();
  } else if (lower == "nan" || lower == ".nan") {
    magnitude = std::numeric_limits<double>::quiet_NaN();
  } else {
    const std::string digits = strip_underscores(lower);
    if (digits.empty() || (digits[0] != '.' && !std::isdigit(static_cast<unsigned char>(digits[0])))) return false;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude);
    if (status != std::errc() || end != digits.data() + digits.size()) return false;
  }
  number = negative ? -magnitude : magnitude;
  return true;
}

std::string describe_value(const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::null) return "null";
  if (value.kind == ConfigValue::Kind::list) {
    std::vector<std::string> parts;
    for (const ConfigValue& item : value.items) parts.push_back(describe_value(item));
    return "[" + join(parts, ", ") + "]";
  }
  double number = 0;
  const bool bare = !value.quoted && (parse_real(value.text, number) || value.text == "True" || value.text == "False" ||
                                      value.text == "true" || value.text == "false");
  return bare ? value.text : "'" + value.text + "'";
}

}  // namespace fastermask
