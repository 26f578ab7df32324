#include "fastermask/config/augmentation_call.h"

#include <cctype>

#include "fastermask/base/text.h"

namespace fastermask {
namespace {

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

std::size_t name_length(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '.') return 0;
  std::size_t length = 0;
  while (length < text.size() && is_name_character(text[length])) ++length;
  return length;
}

// Position behind the bracket that closes the one at `begin`; npos when there is none, or brackets or quotes in between
// do not match.
std::size_t behind_bracket(std::string_view text, std::size_t begin) {
  std::string open;  // the closing brackets waited for
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\'' || c == '"') {
      i = text.find(c, i + 1);
      if (i == std::string_view::npos) return i;
    } else if (c == '(' || c == '[') {
      open += c == '(' ? ')' : ']';
    } else if (c == ')' || c == ']') {
      if (open.back() != c) return std::string_view::npos;
      open.pop_back();
      if (open.empty()) return i + 1;
    }
  }
  return std::string_view::npos;
}

// The parts between commas outside of brackets and quotes, trimmed; a comma at the end is allowed. Nothing when a part
// is empty or a bracket does not match.
std::optional<std::vector<std::string>> split_arguments(std::string_view text) {
  std::vector<std::string> parts;
  text = trim(text);
  while (!text.empty()) {
    std::size_t i = 0;
    while (i < text.size() && text[i] != ',') {
      if (text[i] == ')' || text[i] == ']') return std::nullopt;
      if (text[i] == '(' || text[i] == '[') {
        i = behind_bracket(text, i);
      } else if (text[i] == '\'' || text[i] == '"') {
        i = text.find(text[i], i + 1);
        if (i != std::string_view::npos) ++i;
      } else {
        ++i;
      }
      if (i == std::string_view::npos) return std::nullopt;
    }
    parts.emplace_back(trim(text.substr(0, i)));
    if (parts.back().empty()) return std::nullopt;
    text = i < text.size() ? trim(text.substr(i + 1)) : std::string_view();
  }
  return parts;
}

}  // namespace

std::size_t leading_call_length(std::string_view text) {
  const std::size_t bracket = name_length(text);
  if (bracket == 0 || bracket == text.size() || text[bracket] != '(') return 0;
  const std::size_t end = behind_bracket(text, bracket);
  return end == std::string_view::npos ? 0 : end;
}

std::optional<Call> parse_call(std::string_view text) {
  text = trim(text);
  if (leading_call_length(text) != text.size() || text.empty()) return std::nullopt;
  const std::size_t bracket = text.find('(');
  Call call;
  call.name = std::string(text.substr(0, bracket));
  if (starts_with(call.name, "T.")) call.name = call.name.substr(2);
  const auto parts = split_arguments(text.substr(bracket + 1, text.size() - bracket - 2));
  if (!parts) return std::nullopt;
  for (const std::string& part : *parts) {
    CallArgument argument;
    const std::size_t length = name_length(part);
    const std::size_t equals = part.find_first_not_of(' ', length);
    if (length > 0 && equals != std::string::npos && part[equals] == '=') {
      argument.name = part.substr(0, length);
      argument.text = std::string(trim(std::string_view(part).substr(equals + 1)));
      if (argument.text.empty()) return std::nullopt;
    } else {
      argument.text = part;
    }
    call.arguments.push_back(std::move(argument));
  }
  return call;
}

std::optional<std::vector<std::string>> split_calls(std::string_view text) {
  text = trim(text);
  if (text.empty()) return std::nullopt;
  if (text[0] != '[' && text[0] != '(') return std::vector<std::string>{std::string(text)};
  if (behind_bracket(text, 0) != text.size()) return std::nullopt;
  return split_arguments(text.substr(1, text.size() - 2));
}

}  // namespace fastermask
