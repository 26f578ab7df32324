#include "fastermask/data/json_scan.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "fastermask/base/error.h"

namespace fastermask::json {
namespace {

// Characters at which the walk over a nested value has something to do.
constexpr std::array<bool, 256> make_structural() {
  std::array<bool, 256> table{};
  for (const char c : {'{', '}', '[', ']', '"'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kStructural = make_structural();

constexpr std::size_t kMaxDepth = 512;
constexpr std::size_t kPassedStep = std::size_t{8} << 20;

// How many of eight characters come before the first that may be structural: braces and brackets have bit 6, which
// digits, signs and spaces lack. 8 when none is.
std::size_t plain_characters(const char* text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  std::uint64_t eight = 0;
  std::memcpy(&eight, text, 8);
  const std::uint64_t quotes = eight ^ (kOnes * '"');
  const std::uint64_t found = ((eight & (kOnes * 0x40)) << 1) | ((quotes - kOnes) & ~quotes & (kOnes * 0x80));
  return found == 0 ? 8 : static_cast<std::size_t>(__builtin_ctzll(found)) / 8;
}

bool is_json_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

Scanner::Scanner(std::string_view file, std::string where) : text_(file), where_(std::move(where)) {
  if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;  // a byte order mark
}

void Scanner::fail_at(std::size_t position, const std::string& what) const {
  const auto lines =
      std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(position, text_.size())), '\n');
  fail<DataError>("{}: broken JSON at byte {} (line {}): {}", where_, position, lines + 1, what);
}

void Scanner::skip_space() {
  while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
}

char Scanner::peek() {
  skip_space();
  if (at_ >= text_.size()) fail_at(at_, "the file ends too early; was it copied or downloaded completely?");
  return text_[at_];
}

void Scanner::expect(char wanted, const char* after) {
  const char found = peek();
  if (found != wanted) fail_at(at_, fmt::format("expected '{}' {}, got '{}'", wanted, after, found));
  ++at_;
}

void Scanner::skip_string() {
  const std::size_t begin = at_++;
  while (true) {
    const void* quote = at_ < text_.size() ? std::memchr(text_.data() + at_, '"', text_.size() - at_) : nullptr;
    if (quote == nullptr) fail_at(begin, "a string that begins here never ends");
    at_ = static_cast<std::size_t>(static_cast<const char*>(quote) - text_.data());
    std::size_t backslashes = 0;
    while (text_[at_ - 1 - backslashes] == '\\') ++backslashes;
    ++at_;
    if (backslashes % 2 == 0) return;
  }
}

void Scanner::skip_nested() {
  std::array<char, kMaxDepth> closers{};
  std::size_t depth = 0;
  const std::size_t begin = at_;
  do {
    for (std::size_t plain = 8; plain == 8 && at_ + 8 <= text_.size(); at_ += plain) {
      plain = plain_characters(text_.data() + at_);
    }
    while (at_ < text_.size() && !kStructural[static_cast<unsigned char>(text_[at_])]) ++at_;
    if (at_ >= text_.size()) {
      fail_at(at_, fmt::format("the file ends inside the '{}' of byte {}; was it copied or downloaded completely?",
                               text_[begin], begin));
    }
    if (at_ - passed_ > kPassedStep) tell_passed();
    const char c = text_[at_];
    if (c == '"') {
      skip_string();
      continue;
    }
    if (c == '{' || c == '[') {
      if (depth == kMaxDepth) fail_at(at_, "nested too deeply");
      closers[depth++] = c == '{' ? '}' : ']';
    } else if (depth == 0 || closers[--depth] != c) {
      fail_at(at_, fmt::format("'{}' closes nothing", c));
    }
    ++at_;
  } while (depth > 0);
}

void Scanner::tell_passed() {
  if (on_passed_ != nullptr) on_passed_(passed_, at_);
  passed_ = at_;
}

std::string_view Scanner::take_value() {
  const char first = peek();
  const std::size_t begin = at_;
  if (first == '{' || first == '[') {
    skip_nested();
  } else if (first == '"') {
    skip_string();
  } else {
    while (at_ < text_.size() && !is_json_space(text_[at_]) && text_[at_] != ',' && text_[at_] != '}' &&
           text_[at_] != ']') {
      ++at_;
    }
    if (at_ == begin) fail_at(at_, fmt::format("expected a value, got '{}'", first));
  }
  return text_.substr(begin, at_ - begin);
}

std::vector<std::pair<std::string, std::string_view>> Scanner::members() {
  std::vector<std::pair<std::string, std::string_view>> all;
  expect('{', "at the beginning");
  if (peek() == '}') {
    ++at_;
  } else {
    while (true) {
      if (peek() != '"') fail_at(at_, fmt::format("expected a key in quotes, got '{}'", text_[at_]));
      const std::string_view key = take_value();
      expect(':', "after a key");
      all.emplace_back(std::string(key.substr(1, key.size() - 2)), take_value());
      if (peek() == '}') break;
      expect(',', "between two members");
    }
    ++at_;
  }
  skip_space();
  if (at_ != text_.size()) fail_at(at_, "more text after the end of the outermost object");
  return all;
}

void Scanner::enter_array(std::string_view array) {
  at_ = static_cast<std::size_t>(array.data() - text_.data());
  passed_ = at_;
  expect('[', "at the beginning of a list");
  first_element_ = true;
}

bool Scanner::next_element(std::string_view& element) {
  if (peek() == ']') {
    ++at_;
    return false;
  }
  if (!first_element_) expect(',', "between two elements");
  first_element_ = false;
  element = take_value();
  return true;
}

}  // namespace fastermask::json
