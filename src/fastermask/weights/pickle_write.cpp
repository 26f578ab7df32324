// Writing pickles.
#include <cstring>
#include <limits>
#include <unordered_map>
#include <utility>

#include "fastermask/base/file.h"
#include "fastermask/weights/numpy_type.h"
#include "fastermask/weights/pickle.h"

namespace fastermask {
namespace {

constexpr int kMaxPickleWriteDepth = 500;

class Pickler {
 public:
  explicit Pickler(const PicklePersist& persist) : persist_(persist) {}

  std::string run(const PickleValue& value) {
    out_ += persist_ ? std::string_view("\x80\x02", 2) : std::string_view("\x80\x04", 2);
    write(value, 0);
    out_ += '.';
    return std::move(out_);
  }

 private:
  void put_uint(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xFF);
  }

  // Puts the value on top of the stack into the memo.
  std::uint32_t memoize() {
    out_ += 'r';
    put_uint(memo_size_, 4);
    return memo_size_++;
  }

  void recall(std::uint32_t index) {
    out_ += 'j';
    put_uint(index, 4);
  }

  void write_int(std::int64_t value) {
    if (value >= 0 && value < 256) {
      out_ += 'K';
      put_uint(static_cast<std::uint64_t>(value), 1);
    } else if (value >= 0 && value < 65536) {
      out_ += 'M';
      put_uint(static_cast<std::uint64_t>(value), 2);
    } else if (value >= std::numeric_limits<std::int32_t>::min() && value <= std::numeric_limits<std::int32_t>::max()) {
      out_ += 'J';
      put_uint(static_cast<std::uint32_t>(value), 4);
    } else {
      out_ += "\x8a\x08";  // LONG1 of 8 bytes
      put_uint(static_cast<std::uint64_t>(value), 8);
    }
  }

  void write_real(double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    out_ += 'G';
    for (int i = 7; i >= 0; --i) out_ += static_cast<char>(bits >> (8 * i) & 0xFF);
  }

  void write_string(const std::string& text) {
    const auto [known, is_new] = strings_.try_emplace(text, memo_size_);
    if (!is_new) {
      recall(known->second);
      return;
    }
    out_ += 'X';
    put_uint(text.size(), 4);
    out_ += text;
    memoize();
  }

  void write_bytes(std::string_view bytes) {
    if (persist_) {  // protocol 2 has no bytes: they are text encoded as Latin-1
      write_global("_codecs", "encode");
      std::string text;
      for (const char c : bytes) {
        const unsigned char byte = static_cast<unsigned char>(c);
        if (byte >= 0x80) text += static_cast<char>(0xC0 | byte >> 6);
        text += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3F));
      }
      write_string(text);
      write_string("latin1");
      out_ += "\x86R";
      return;
    }
    if (bytes.size() <= std::numeric_limits<std::uint32_t>::max()) {
      out_ += 'B';
      put_uint(bytes.size(), 4);
    } else {
      out_ += '\x8e';
      put_uint(bytes.size(), 8);
    }
    out_ += bytes;
  }

  void write_global(const std::string& module, const std::string& name) {
    const auto [known, is_new] = globals_.try_emplace(module + " " + name, memo_size_);
    if (!is_new) {
      recall(known->second);
      return;
    }
    out_ += 'c' + module + '\n' + name + '\n';
    memoize();
  }

  void write_shape(const Shape& shape) {
    out_ += '(';
    for (const std::int64_t size : shape) write_int(size);
    out_ += 't';
  }

  // torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
  void write_tensor(const std::shared_ptr<NDArray>& array, int depth) {
    write_global("torch._utils", "_rebuild_tensor_v2");
    out_ += '(';
    write(persist_(array), depth + 1);
    out_ += 'Q';
    write_int(0);
    write_shape(array->shape);
    Shape stride(array->shape.size(), 1);
    for (std::size_t d = stride.size(); d-- > 1;)
      stride[d - 1] = stride[d] * std::max<std::int64_t>(array->shape[d], 1);
    write_shape(stride);
    out_ += '\x89';
    write_global("collections", "OrderedDict");
    out_ += ")RtR";
  }

  // numpy's _reconstruct(ndarray, (0,), b"b") and the state (1, shape, dtype, False, elements)
  void write_numpy(const NDArray& given) {
    const NDArray converted = given.dtype == DType::bfloat16 ? without_bfloat16(given) : NDArray();
    const NDArray& array = given.dtype == DType::bfloat16 ? converted : given;
    write_global("numpy.core.multiarray", "_reconstruct");
    write_global("numpy", "ndarray");
    write_shape({0});
    write_bytes("b");
    out_ += "\x87R(";
    write_int(1);
    write_shape(array.shape);
    write_numpy_dtype(array.dtype);
    out_ += '\x89';
    write_bytes({reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()});
    out_ += "tb";
  }

  void write_numpy_dtype(DType dtype) {
    const auto known = dtypes_.find(static_cast<int>(dtype));
    if (known != dtypes_.end()) {
      recall(known->second);
      return;
    }
    const std::string description = numpy_type_description(dtype);
    write_global("numpy", "dtype");
    write_string(description.substr(1));
    out_ += "\x89\x88\x87R";  // dtype(description, False, True)
    dtypes_[static_cast<int>(dtype)] = memoize();
    out_ += '(';
    write_int(3);
    write_string(description.substr(0, 1));
    out_ += "NNN";
    write_int(-1);
    write_int(-1);
    write_int(0);
    out_ += "tb";
  }

  void write_items(const std::vector<PickleValue>& items, char opcode, int depth) {
    if (items.empty()) return;
    out_ += '(';
    for (const PickleValue& item : items) write(item, depth + 1);
    out_ += opcode;
  }

  void write_dict(const PickleValue& dict, int depth) {
    if (dict.type_name() == "collections.OrderedDict") {
      write_global("collections", "OrderedDict");
      out_ += ")R";
    } else {
      out_ += '}';
    }
    nodes_[dict.node().get()] = memoize();
    if (!dict.entries().empty()) {
      out_ += '(';
      for (const PickleEntry& entry : dict.entries()) {
        write(entry.key, depth + 1);
        write(entry.value, depth + 1);
      }
      out_ += 'u';
    }
    if (dict.type_name() == "collections.OrderedDict" && dict.node()->state.is_dict()) {
      write(dict.node()->state, depth + 1);
      out_ += 'b';
    }
  }

  void write_shared(const PickleValue& value, int depth) {
    using Kind = PickleValue::Kind;
    const auto known = nodes_.find(value.node().get());
    if (known != nodes_.end()) {
      recall(known->second);
      return;
    }
    switch (value.kind()) {
      case Kind::dict: write_dict(value, depth); return;
      case Kind::list:
      case Kind::set:
        out_ += value.kind() == Kind::list ? ']' : '\x8f';
        nodes_[value.node().get()] = memoize();
        write_items(value.items(), value.kind() == Kind::list ? 'e' : '\x90', depth);
        return;
      case Kind::tuple:
        if (value.items().empty()) out_ += ')';
        write_items(value.items(), 't', depth);
        break;
      case Kind::array:
        if (persist_) {
          write_tensor(value.shared_array(), depth);
        } else {
          write_numpy(value.as_array());
        }
        break;
      case Kind::big_integer:
        if (value.text().size() > 255) fail<WeightsError>("pickle: an int is too large to be written");
        out_ += '\x8a';
        put_uint(value.text().size(), 1);
        out_ += value.text();
        return;
      case Kind::object:
        if (value.node()->is_global) {
          const std::size_t dot = value.type_name().rfind('.');
          write_global(value.type_name().substr(0, dot), value.type_name().substr(dot + 1));
          return;
        }
        [[fallthrough]];
      default: fail<WeightsError>("pickle: {} cannot be written", value.describe());
    }
    nodes_[value.node().get()] = memoize();
    kept_.push_back(value);
  }

  void write(const PickleValue& value, int depth) {
    using Kind = PickleValue::Kind;
    if (depth > kMaxPickleWriteDepth) fail<WeightsError>("pickle: values are nested deeper than 500");
    switch (value.kind()) {
      case Kind::none: out_ += 'N'; return;
      case Kind::boolean: out_ += value.as_bool() ? '\x88' : '\x89'; return;
      case Kind::integer: write_int(value.as_int()); return;
      case Kind::real: write_real(value.as_double()); return;
      case Kind::string: write_string(value.text()); return;
      case Kind::bytes: write_bytes(value.text()); return;
      default: write_shared(value, depth);
    }
  }

  const PicklePersist& persist_;
  std::string out_;
  std::uint32_t memo_size_ = 0;
  std::unordered_map<std::string, std::uint32_t> strings_;
  std::unordered_map<std::string, std::uint32_t> globals_;
  std::unordered_map<int, std::uint32_t> dtypes_;
  std::unordered_map<const PickleNode*, std::uint32_t> nodes_;  // memo entries of shared values
  std::vector<PickleValue> kept_;  // keeps addresses in nodes_ from being used again by temporaries
};

}  // namespace

std::string pickle(const PickleValue& value, const PicklePersist& persist) { return Pickler(persist).run(value); }

void save_pickle(const std::string& path, const PickleValue& value) { write_file_atomic(path, pickle(value)); }

}  // namespace fastermask
