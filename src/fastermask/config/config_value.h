// A value as it was written, in YAML or as a Python literal, before it is known what type its key has.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fastermask {

struct ConfigValue {
  enum class Kind { null, word, list };

  Kind kind = Kind::null;
  std::string text;                // of a word: as written, without quotes
  bool quoted = false;             // the word is a string for sure, whatever it looks like
  std::vector<ConfigValue> items;  // of a list (or tuple)
};

// Reads a Python literal as Python's ast.literal_eval does, as far as configs need it: numbers, strings, True, False,
// None, lists, tuples (with or without parentheses), nested. Beyond Python, a call whose name begins with a capital,
// RandomFlip(prob=0.5), is a word as it stands (the entries of INPUT.AUGMENTATIONS). Nothing for any other text.
std::optional<ConfigValue> parse_python_literal(std::string_view text);

// True when the text is a whole number in Python's notation (1_000 and 0x10 included), or a float in Python's or YAML's
// (1e-3, .5, .inf, nan); sets `number`. parse_integer fails on numbers beyond 64 bits.
bool parse_integer(std::string_view text, std::int64_t& number);
bool parse_real(std::string_view text, double& number);

// The value in one line, as a person would write it: 'word', 0.5, [1, 2].
std::string describe_value(const ConfigValue& value);

}  // namespace fastermask
