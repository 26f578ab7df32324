// The pickle machine's opcodes. Names of opcodes are those of Python's pickletools.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/weights/unpickler.h"

namespace fastermask {
namespace {

constexpr std::size_t kMaxPickleNodes = 20'000'000;
constexpr std::uint64_t kSpareArrayBytes = std::uint64_t{64} << 20;

int hex_digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The number written in `digits` hexadecimal digits at `text`, or -1.
std::int64_t hex_number(std::string_view text, std::size_t digits) {
  if (text.size() < digits) return -1;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const int digit = hex_digit_value(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18 & 0x07));
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

// A Python 2 string literal without its quotes: backslash escapes undone.
std::string unescape_python_string(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    const char escape = text[++i];
    if (escape == 'x' && hex_number(text.substr(i + 1), 2) >= 0) {
      out.push_back(static_cast<char>(hex_number(text.substr(i + 1), 2)));
      i += 2;
    } else if (escape == 'n') {
      out.push_back('\n');
    } else if (escape == 'r') {
      out.push_back('\r');
    } else if (escape == 't') {
      out.push_back('\t');
    } else if (escape == '0') {
      out.push_back('\0');
    } else {
      out.push_back(escape);
    }
  }
  return out;
}

}  // namespace

void UnpickleContext::charge(std::uint64_t bytes) {
  if (bytes > bytes_left) {
    fail<WeightsError>("{}: the pickle's arrays together are far larger than the file, which a sound file's are not",
                       where());
  }
  bytes_left -= bytes;
}

PickleValue UnpickleContext::make_array(std::shared_ptr<NDArray> array) {
  PickleValue value = arena.make(PickleValue::Kind::array);
  value.node()->array = std::move(array);
  return value;
}

Unpickler::Unpickler(std::string_view data, const UnpickleOptions& options) : data_(data) {
  context_.options = &options;
  context_.bytes_left = options.max_array_bytes != 0 ? options.max_array_bytes : 8 * data.size() + kSpareArrayBytes;
}

void Unpickler::damaged(const std::string& what) const {
  fail<WeightsError>("{}: damaged pickle: {} (at byte {})", context_.where(), what, position_);
}

std::string_view Unpickler::take(std::uint64_t count) {
  if (count > data_.size() - position_) damaged("it is cut off");
  const std::string_view bytes = data_.substr(position_, static_cast<std::size_t>(count));
  position_ += bytes.size();
  return bytes;
}

std::uint64_t Unpickler::take_uint(int bytes) {
  std::uint64_t value = 0;
  const std::string_view data = take(static_cast<std::uint64_t>(bytes));
  for (std::size_t i = data.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(data[i]);
  return value;
}

std::string_view Unpickler::take_line() {
  const std::size_t end = data_.find('\n', position_);
  if (end == std::string_view::npos) damaged("it is cut off");
  const std::string_view line = data_.substr(position_, end - position_);
  position_ = end + 1;
  return line;
}

void Unpickler::push(PickleValue value) { stack_.push_back(std::move(value)); }

PickleValue Unpickler::pop() {
  PickleValue value = top();
  stack_.pop_back();
  return value;
}

PickleValue& Unpickler::top() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged("the stack is empty");
  return stack_.back();
}

std::vector<PickleValue> Unpickler::pop_to_mark() {
  if (marks_.empty()) damaged("a mark is missing");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleValue> items(std::make_move_iterator(begin), std::make_move_iterator(stack_.end()));
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void Unpickler::put(std::uint64_t index) { memo_[index] = top(); }

void Unpickler::get(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) damaged(fmt::format("memo entry {} is missing", index));
  push(found->second);
}

std::uint64_t Unpickler::take_memo_index() {
  const std::string_view line = take_line();
  if (line.empty() || line.size() > 18 || line.find_first_not_of("0123456789") != std::string_view::npos) {
    damaged("a memo index is not a number");
  }
  return std::stoull(std::string(line));
}

void Unpickler::push_text(PickleValue::Kind kind, std::string_view bytes) {
  push(context_.arena.make(kind, std::string(bytes)));
}

void Unpickler::push_long(std::string_view little_endian) {
  if (little_endian.size() > 8) {
    push_text(PickleValue::Kind::big_integer, little_endian);
    return;
  }
  std::uint64_t value = 0;
  for (std::size_t i = little_endian.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(little_endian[i]);
  }
  const std::size_t bits = 8 * little_endian.size();
  if (bits > 0 && bits < 64 && (value >> (bits - 1)) != 0) value |= ~std::uint64_t{0} << bits;  // sign
  push(PickleValue::integer(static_cast<std::int64_t>(value)));
}

void Unpickler::push_integer_line() {
  const std::string line(take_line());
  if (line == "00" || line == "01") {
    push(PickleValue::boolean(line == "01"));
    return;
  }
  char* end = nullptr;
  errno = 0;
  const std::int64_t value = std::strtoll(line.c_str(), &end, 10);
  if (line.empty() || *end != '\0' || errno != 0) damaged("an int is not a number");
  push(PickleValue::integer(value));
}

void Unpickler::push_long_line() {
  std::string line(take_line());
  if (!line.empty() && line.back() == 'L') line.pop_back();
  char* end = nullptr;
  errno = 0;
  const std::int64_t value = std::strtoll(line.c_str(), &end, 10);
  if (line.empty() || *end != '\0') damaged("an int is not a number");
  if (errno != 0) {  // beyond 64 bits: nothing that weights need; kept as text so that reading goes on
    push_text(PickleValue::Kind::big_integer, line);
    return;
  }
  push(PickleValue::integer(value));
}

void Unpickler::push_quoted_line() {
  const std::string_view line = take_line();
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"')) {
    damaged("a string is not quoted");
  }
  push_text(PickleValue::Kind::string, unescape_python_string(line.substr(1, line.size() - 2)));
}

void Unpickler::push_unicode_line() {
  const std::string_view line = take_line();
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escape = line[i] == '\\' && i + 1 < line.size() && (line[i + 1] == 'u' || line[i + 1] == 'U');
    const std::size_t digits = escape && line[i + 1] == 'U' ? 8 : 4;
    const std::int64_t code = escape ? hex_number(line.substr(i + 2), digits) : -1;
    if (code >= 0 && code <= 0x10FFFF) {
      append_utf8(out, static_cast<std::uint32_t>(code));
      i += 1 + digits;
    } else {
      append_utf8(out, static_cast<unsigned char>(line[i]));  // the line is Latin-1
    }
  }
  push_text(PickleValue::Kind::string, out);
}

bool Unpickler::run_number(unsigned char opcode) {
  switch (opcode) {
    case 'N': push({}); return true;
    case 0x88: push(PickleValue::boolean(true)); return true;
    case 0x89: push(PickleValue::boolean(false)); return true;
    case 'I': push_integer_line(); return true;
    case 'L': push_long_line(); return true;
    case 'K': push(PickleValue::integer(static_cast<std::int64_t>(take_uint(1)))); return true;
    case 'M': push(PickleValue::integer(static_cast<std::int64_t>(take_uint(2)))); return true;
    case 'J': push(PickleValue::integer(static_cast<std::int32_t>(take_uint(4)))); return true;
    case 0x8a: push_long(take(take_uint(1))); return true;
    case 0x8b: push_long(take(take_uint(4))); return true;
    case 'F': {
      const std::string line(take_line());
      char* end = nullptr;
      const double value = std::strtod(line.c_str(), &end);
      if (line.empty() || *end != '\0') damaged("a float is not a number");
      push(PickleValue::real(value));
      return true;
    }
    case 'G': {
      std::uint64_t bits = 0;
      for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);  // big-endian
      double value;
      std::memcpy(&value, &bits, sizeof(value));
      push(PickleValue::real(value));
      return true;
    }
    default: return false;
  }
}

bool Unpickler::run_text(unsigned char opcode) {
  using Kind = PickleValue::Kind;
  switch (opcode) {
    case 'S': push_quoted_line(); return true;
    case 'V': push_unicode_line(); return true;
    case 'T': push_text(Kind::string, take(take_uint(4))); return true;   // BINSTRING
    case 'U': push_text(Kind::string, take(take_uint(1))); return true;   // SHORT_BINSTRING
    case 'X': push_text(Kind::string, take(take_uint(4))); return true;   // BINUNICODE
    case 0x8c: push_text(Kind::string, take(take_uint(1))); return true;  // SHORT_BINUNICODE
    case 0x8d: push_text(Kind::string, take(take_uint(8))); return true;  // BINUNICODE8
    case 'C': push_text(Kind::bytes, take(take_uint(1))); return true;    // SHORT_BINBYTES
    case 'B': push_text(Kind::bytes, take(take_uint(4))); return true;    // BINBYTES
    case 0x8e:                                                            // BINBYTES8
    case 0x96: push_text(Kind::bytes, take(take_uint(8))); return true;   // BYTEARRAY8
    case 0x97: damaged("it needs a buffer that was kept outside of it (protocol 5)");
    case 0x98: return true;  // READONLY_BUFFER
    default: return false;
  }
}

void Unpickler::make_sequence(PickleValue::Kind kind, std::vector<PickleValue> items) {
  PickleValue value = context_.arena.make(kind);
  value.node()->items = std::move(items);
  push(std::move(value));
}

void Unpickler::append_items(std::vector<PickleValue> items) {
  PickleValue& target = top();
  const PickleValue::Kind kind = target.kind();
  if (kind != PickleValue::Kind::list && kind != PickleValue::Kind::set && kind != PickleValue::Kind::object) {
    damaged("it appends to something that is no list");
  }
  std::vector<PickleValue>& list = target.node()->items;
  list.insert(list.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
}

void Unpickler::set_items(const std::vector<PickleValue>& items) {
  PickleValue& target = top();
  if (!target.is_dict() || items.size() % 2 != 0) damaged("it sets items of something that is no dict");
  for (std::size_t i = 0; i < items.size(); i += 2) target.set(items[i], items[i + 1]);
}

bool Unpickler::run_container(unsigned char opcode) {
  using Kind = PickleValue::Kind;
  switch (opcode) {
    case ']': make_sequence(Kind::list, {}); return true;
    case ')': make_sequence(Kind::tuple, {}); return true;
    case 0x8f: make_sequence(Kind::set, {}); return true;
    case '}': push(context_.arena.make(Kind::dict)); return true;
    case 'l': make_sequence(Kind::list, pop_to_mark()); return true;
    case 't': make_sequence(Kind::tuple, pop_to_mark()); return true;
    case 0x91: make_sequence(Kind::set, pop_to_mark()); return true;  // FROZENSET
    case 0x85:
    case 0x86:
    case 0x87: {  // TUPLE1, TUPLE2, TUPLE3
      std::vector<PickleValue> items(opcode - 0x84u);
      for (std::size_t i = items.size(); i-- > 0;) items[i] = pop();
      make_sequence(Kind::tuple, std::move(items));
      return true;
    }
    case 'd': {
      const std::vector<PickleValue> items = pop_to_mark();
      push(context_.arena.make(Kind::dict));
      set_items(items);
      return true;
    }
    case 'a': {
      PickleValue item = pop();
      append_items({std::move(item)});
      return true;
    }
    case 'e':
    case 0x90: append_items(pop_to_mark()); return true;  // APPENDS, ADDITEMS
    case 's': {
      PickleValue value = pop();
      PickleValue key = pop();
      set_items({std::move(key), std::move(value)});
      return true;
    }
    case 'u': set_items(pop_to_mark()); return true;
    default: return false;
  }
}

bool Unpickler::run_stack(unsigned char opcode) {
  switch (opcode) {
    case '(': marks_.push_back(stack_.size()); return true;
    case '0':
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return true;
    case '1': pop_to_mark(); return true;
    case '2': {
      PickleValue value = top();
      push(std::move(value));
      return true;
    }
    case 'g': get(take_memo_index()); return true;
    case 'h': get(take_uint(1)); return true;
    case 'j': get(take_uint(4)); return true;
    case 'p': put(take_memo_index()); return true;
    case 'q': put(take_uint(1)); return true;
    case 'r': put(take_uint(4)); return true;
    case 0x94: put(memo_.size()); return true;  // MEMOIZE
    case 0x95:                                  // FRAME
      if (take_uint(8) > data_.size() - position_) damaged("it is cut off");
      return true;
    case 0x80:
      if (take_uint(1) > 5) damaged("its protocol is newer than 5");
      return true;
    default: return false;
  }
}

void Unpickler::load_persistent(const PickleValue& id) {
  if (!context_.options->persistent_load) {
    fail<WeightsError>("{}: the pickle refers to data outside of it (persistent id {})", context_.where(),
                       id.describe());
  }
  push(context_.options->persistent_load(id));
}

void Unpickler::new_object(bool with_keywords) {
  if (with_keywords && (!pop().is_dict())) damaged("an object's keywords are no dict");
  const PickleValue arguments = pop();
  const PickleValue type = pop();
  push(call_pickle_global(context_, type, arguments));
}

void Unpickler::old_object(PickleValue type, std::vector<PickleValue> arguments) {
  PickleValue tuple = context_.arena.make(PickleValue::Kind::tuple);
  tuple.node()->items = std::move(arguments);
  push(call_pickle_global(context_, type, tuple));
}

bool Unpickler::run_object(unsigned char opcode) {
  switch (opcode) {
    case 'c': {
      const std::string module(take_line());
      push(find_pickle_global(context_, module, std::string(take_line())));
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleValue name = pop();
      const PickleValue module = pop();
      if (!name.is_string() || !module.is_string()) damaged("a global's name is no string");
      push(find_pickle_global(context_, module.text(), name.text()));
      return true;
    }
    case 'i': {
      const std::string module(take_line());
      PickleValue type = find_pickle_global(context_, module, std::string(take_line()));
      old_object(std::move(type), pop_to_mark());
      return true;
    }
    case 'o': {
      std::vector<PickleValue> items = pop_to_mark();
      if (items.empty()) damaged("an object has no class");
      PickleValue type = std::move(items.front());
      items.erase(items.begin());
      old_object(std::move(type), std::move(items));
      return true;
    }
    case 'R':
    case 0x81: new_object(false); return true;  // REDUCE, NEWOBJ
    case 0x92: new_object(true); return true;   // NEWOBJ_EX
    case 'b': {
      const PickleValue state = pop();
      build_pickle_state(context_, top(), state);
      return true;
    }
    case 'P': load_persistent(PickleValue::string(std::string(take_line()))); return true;
    case 'Q': load_persistent(pop()); return true;
    case 0x82:
    case 0x83:
    case 0x84: damaged("it uses extension codes, whose meaning is not in the file");
    default: return false;
  }
}

Unpickled Unpickler::run() {
  while (true) {
    const unsigned char opcode = static_cast<unsigned char>(take(1)[0]);
    if (opcode == '.') break;
    if (!run_stack(opcode) && !run_container(opcode) && !run_number(opcode) && !run_text(opcode) &&
        !run_object(opcode)) {
      --position_;
      damaged(fmt::format("byte 0x{:02x} is no pickle opcode", static_cast<unsigned>(opcode)));
    }
    if (context_.arena.size() > kMaxPickleNodes) damaged("it holds more than 20 million values");
  }
  Unpickled result{pop(), position_};
  stack_.clear();
  memo_.clear();
  if (const char* problem = context_.arena.release(result.value)) damaged(problem);
  return result;
}

Unpickled unpickle(std::string_view data, const UnpickleOptions& options) { return Unpickler(data, options).run(); }

PickleValue load_pickle(const std::string& path) {
  const MappedFile file(path);
  UnpickleOptions options;
  options.where = path;
  return unpickle(file.view(), options).value;
}

}  // namespace fastermask
