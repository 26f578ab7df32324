// The text of a call, as Python writes it: Name(1, (2, 3), key=[4, 5]). Internal to the config layer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fastermask {

struct CallArgument {
  std::string name;  // "" when given by its place
  std::string text;  // as written
};

struct Call {
  std::string name;  // without a leading "T."
  std::vector<CallArgument> arguments;
};

// Splits the text of one call. Nothing when it is not one: no name, brackets or quotes that do not match, words behind
// the closing bracket, or an empty argument.
std::optional<Call> parse_call(std::string_view text);

// Splits "[a(1), b()]", "(a(1), b())" or "a(1)" into the texts of the calls. Nothing when brackets do not match.
std::optional<std::vector<std::string>> split_calls(std::string_view text);

// Length of the call (name and brackets) at the beginning of the text; 0 when there is none.
std::size_t leading_call_length(std::string_view text);

}  // namespace fastermask
