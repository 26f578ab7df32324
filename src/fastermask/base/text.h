// Small helpers for words people read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fastermask {

// The candidate nearest to `word` by edit distance when it is near enough to be a slip of the finger; "" otherwise.
std::string nearest_match(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean 'x'?" for the nearest candidate, or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
std::string_view trim(std::string_view text);
bool starts_with(std::string_view text, std::string_view prefix);
bool ends_with(std::string_view text, std::string_view suffix);

// 1536 -> "1.5 KiB".
std::string format_bytes(std::uint64_t bytes);

// Seconds as Python's str(datetime.timedelta(seconds=int(s))): "1 day, 2:03:04", "0:00:12".
std::string format_duration(double seconds);

}  // namespace fastermask
