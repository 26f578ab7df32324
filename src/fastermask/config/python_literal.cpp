// A reader for the Python literals that detectron2's command lines and configs hold: tuples, lists, strings, numbers.
#include <cctype>
#include <cstdint>

#include "fastermask/config/augmentation_call.h"
#include "fastermask/config/config_value.h"

namespace fastermask {
namespace {

constexpr int kDeepestNesting = 16;  // keys need three; the limit keeps hostile files from exhausting the stack

class PythonLiteralReader {
 public:
  explicit PythonLiteralReader(std::string_view text) : text_(text) {}

  // A whole literal, or commas at the top level: a tuple without parentheses.
  bool read_all(ConfigValue& value) {
    if (!read_value(value, 0)) return false;
    skip_blanks();
    if (at_end()) return true;
    ConfigValue first = std::move(value);
    value = {};
    value.kind = ConfigValue::Kind::list;
    value.items.push_back(std::move(first));
    while (!at_end()) {
      if (!take(',')) return false;
      skip_blanks();
      if (at_end()) return true;
      if (!read_value(value.items.emplace_back(), 0)) return false;
      skip_blanks();
    }
    return true;
  }

 private:
  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }

  bool take(char expected) {
    if (at_end() || peek() != expected) return false;
    ++position_;
    return true;
  }

  void skip_blanks() {
    while (!at_end() && std::isspace(static_cast<unsigned char>(peek()))) ++position_;
  }

  bool read_value(ConfigValue& value, int depth) {
    skip_blanks();
    if (at_end() || depth > kDeepestNesting) return false;
    if (peek() == '(' || peek() == '[') return read_sequence(value, depth);
    if (peek() == '\'' || peek() == '"') return read_string(value);
    return read_atom(value);
  }

  bool read_sequence(ConfigValue& value, int depth) {
    const bool tuple = peek() == '(';
    const char closing = tuple ? ')' : ']';
    ++position_;
    value = {};
    value.kind = ConfigValue::Kind::list;
    bool comma = true;
    while (true) {
      skip_blanks();
      if (take(closing)) break;
      if (!comma || !read_value(value.items.emplace_back(), depth + 1)) return false;
      skip_blanks();
      comma = take(',');
    }
    // (x) is x itself; (x,) is a tuple.
    if (tuple && value.items.size() == 1 && !comma) {
      ConfigValue inner = std::move(value.items[0]);
      value = std::move(inner);
    }
    return true;
  }

  bool read_string(ConfigValue& value) {
    const char quote = peek();
    ++position_;
    value = {};
    value.kind = ConfigValue::Kind::word;
    value.quoted = true;
    while (!at_end() && peek() != quote) {
      if (!take('\\')) {
        value.text += text_[position_++];
        continue;
      }
      if (at_end()) return false;
      append_escape(value.text);
    }
    return take(quote);
  }

  // The character after a backslash. Python keeps a backslash that starts no known escape.
  void append_escape(std::string& out) {
    const char c = text_[position_++];
    switch (c) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case '\\':
      case '\'':
      case '"': out += c; break;
      default: out += {'\\', c};
    }
  }

  // A number, True, False or None.
  bool read_atom(ConfigValue& value) {
    const std::size_t begin = position_;
    while (!at_end() && (std::isalnum(static_cast<unsigned char>(peek())) || std::string_view("+-._").find(peek()) !=
                                                                                  std::string_view::npos)) {
      ++position_;
    }
    value = {};
    if (begin < text_.size() && std::isupper(static_cast<unsigned char>(text_[begin]))) {
      const std::size_t length = leading_call_length(text_.substr(begin));
      if (length > 0) return read_call(value, begin, length);
    }
    value.text = std::string(text_.substr(begin, position_ - begin));
    if (value.text == "None") {
      value.text.clear();
      return true;
    }
    value.kind = ConfigValue::Kind::word;
    double real = 0;
    std::int64_t integer = 0;
    const bool digits = value.text.find_first_of("0123456789") != std::string::npos;
    return value.text == "True" || value.text == "False" || parse_integer(value.text, integer) ||
           (digits && parse_real(value.text, real));
  }

  // A call, RandomFlip(prob=0.5), is a word with all that is in its brackets: the entries of INPUT.AUGMENTATIONS.
  bool read_call(ConfigValue& value, std::size_t begin, std::size_t length) {
    value.kind = ConfigValue::Kind::word;
    value.text = std::string(text_.substr(begin, length));
    position_ = begin + length;
    return true;
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

std::optional<ConfigValue> parse_python_literal(std::string_view text) {
  ConfigValue value;
  if (!PythonLiteralReader(text).read_all(value)) return std::nullopt;
  return value;
}

}  // namespace fastermask
