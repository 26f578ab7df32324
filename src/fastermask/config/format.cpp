#include "fastermask/config/format.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "fastermask/base/text.h"
#include "fastermask/config/config_value.h"
#include "fastermask/config/keys.h"

namespace fastermask {
namespace {

constexpr double kLargestBareNumber = 1e15;

// Words that YAML 1.1 reads as something else than a string.
bool yaml_reads_as_other(const std::string& word) {
  const std::string lower = to_lower(word);
  for (const char* reserved : {"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<"}) {
    if (lower == reserved) return true;
  }
  const bool numeric_start = std::string("0123456789+-.").find(word[0]) != std::string::npos;
  std::int64_t integer = 0;
  double real = 0;
  if (parse_integer(word, integer) || (numeric_start && parse_real(word, real))) return true;
  // Sexagesimal numbers, dates and octal numbers: all begin with a digit and hold nothing but these.
  const bool digit_start = word[0] >= '0' && word[0] <= '9';
  return digit_start && word.find_first_not_of("0123456789:-_.TZtz ") == std::string::npos;
}

bool has_control_characters(const std::string& word) {
  for (const char c : word) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

// True when the word can stand in a block without quotes.
bool can_be_plain(const std::string& word) {
  if (yaml_reads_as_other(word) || word.front() == ' ' || word.back() == ' ' || word.back() == ':') return false;
  if (std::string("#,[]{}&*!|>'\"%@`").find(word[0]) != std::string::npos) return false;
  if ((word[0] == '-' || word[0] == '?' || word[0] == ':') && (word.size() == 1 || word[1] == ' ')) return false;
  if (starts_with(word, "---") || starts_with(word, "...")) return false;
  return word.find(": ") == std::string::npos && word.find(" #") == std::string::npos;
}

std::string double_quoted(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (code < 0x20 || code == 0x7f) {
      out += fmt::format("\\x{:02X}", code);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// One-line forms, as in YAML's flow style.
struct FlowFormatter {
  bool bare;

  std::string one(bool value) const { return value ? "true" : "false"; }
  std::string one(int value) const { return std::to_string(value); }
  std::string one(std::int64_t value) const { return std::to_string(value); }
  std::string one(double value) const { return yaml_number(value, bare); }
  std::string one(const std::string& value) const { return yaml_word(value); }
  std::string one(const std::optional<double>& value) const { return value ? one(*value) : "null"; }
  std::string one(const ExpectedResult& row) const {
    return fmt::format("[{}, {}, {}, {}]", one(row.task), one(row.metric), one(row.value), one(row.tolerance));
  }

  template <class T>
  std::string one(const std::vector<T>& list) const {
    std::vector<std::string> parts;
    for (const T& element : list) parts.push_back(one(element));
    return "[" + join(parts, ", ") + "]";
  }
};

}  // namespace

std::string yaml_number(double number, bool bare) {
  if (std::isnan(number)) return ".nan";
  if (std::isinf(number)) return number > 0 ? ".inf" : "-.inf";
  if (bare && number == std::floor(number) && std::abs(number) < kLargestBareNumber) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  std::string text = fmt::format("{}", number);
  const std::size_t exponent = text.find('e');
  if (text.find('.') == std::string::npos) text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
  return text;
}

std::string yaml_word(const std::string& word) {
  if (has_control_characters(word)) return double_quoted(word);
  if (!word.empty() && can_be_plain(word)) return word;
  std::string out = "'";
  for (const char c : word) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + "'";
}

std::string format_slot(const KeySlot& slot, const Check& check) {
  const FlowFormatter formatter{check.whole_numbers_bare};
  return std::visit([&](const auto* value) { return formatter.one(*value); }, slot);
}

}  // namespace fastermask
