// Python pickles as plain data. The reader is restricted: it never runs code. Only globals that build data (dicts,
// NumPy arrays, PyTorch tensors) are understood; any other is refused by name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "fastermask/structures/ndarray.h"

namespace fastermask {

struct PickleEntry;
struct PickleNode;

// One Python value. A handle: copies of a list, dict or array share their content, as in Python.
class PickleValue {
 public:
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    string,       // text; of a Python 2 str the raw bytes
    bytes,        // bytes, bytearray
    big_integer,  // an int beyond 64 bits: its little-endian two's complement in text()
    list,
    tuple,
    set,
    dict,     // in insertion order
    array,    // a NumPy array or scalar, or a PyTorch tensor (strided views made contiguous)
    storage,  // a PyTorch storage, while a file is being read
    object    // a value of another known type: type_name(), items() = constructor arguments, attributes = state
  };

  PickleValue() = default;  // None
  static PickleValue boolean(bool value);
  static PickleValue integer(std::int64_t value);
  static PickleValue real(double value);
  static PickleValue string(std::string value);
  static PickleValue bytes(std::string value);
  static PickleValue list(std::vector<PickleValue> items = {});
  static PickleValue tuple(std::vector<PickleValue> items = {});
  static PickleValue dict();
  static PickleValue ordered_dict();  // collections.OrderedDict, the type of PyTorch's state dicts
  static PickleValue array(NDArray array);
  // {name: array} as an OrderedDict, the form of a state dict.
  static PickleValue state_dict(const NamedArrays& arrays);

  Kind kind() const;
  bool is_none() const { return kind() == Kind::none; }
  bool is_dict() const { return kind() == Kind::dict; }
  bool is_array() const { return kind() == Kind::array; }
  bool is_string() const { return kind() == Kind::string; }

  // The content. Each throws WeightsError when the value is of another kind.
  bool as_bool() const;                             // an int is true unless 0
  std::int64_t as_int() const;                      // bool, int, a one-element integer array
  double as_double() const;                         // bool, int, float, a one-element array
  const std::string& text() const;                  // string, bytes, big_integer
  const std::vector<PickleValue>& items() const;    // list, tuple, set, object
  const std::vector<PickleEntry>& entries() const;  // dict
  const NDArray& as_array() const;
  std::shared_ptr<NDArray> shared_array() const;
  const std::string& type_name() const;  // "collections.OrderedDict", "argparse.Namespace", ...; "" for plain kinds

  // A dict's value under a string key: nullptr when there is none (or this is no dict); at() throws WeightsError.
  const PickleValue* find(std::string_view key) const;
  const PickleValue& at(std::string_view key) const;

  // Adds to a dict (a key that is there gets the new value) or a list; throws WeightsError for other kinds.
  void set(const std::string& key, PickleValue value);
  void set(const PickleValue& key, PickleValue value);
  void push_back(PickleValue value);

  // Attributes of an OrderedDict or object (`_metadata` of a state dict); None when it has none.
  PickleValue attribute(std::string_view name) const;
  void set_attribute(const std::string& name, PickleValue value);

  // One line for messages: "dict of 4", "array float32 [3, 4]", "'x'".
  std::string describe() const;

  // For the reader and the writers of this layer.
  explicit PickleValue(std::shared_ptr<PickleNode> node);
  const std::shared_ptr<PickleNode>& node() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::shared_ptr<PickleNode>> value_;
};

struct PickleEntry {
  PickleValue key;
  PickleValue value;
};

// A PyTorch storage: flat elements that tensors are views of.
struct PickleStorage {
  std::shared_ptr<NDArray> elements;  // one-dimensional; nullptr when only sizes are being collected
  DType dtype = DType::float32;
  std::int64_t count = 0;
  bool claimed = false;  // a tensor has taken `elements` as its own array; others copy from it
};

// What lies behind the kinds that are shared.
struct PickleNode {
  PickleValue::Kind kind = PickleValue::Kind::none;
  std::string text;  // string, bytes, big_integer; type name of dict and object
  std::vector<PickleValue> items;
  std::vector<PickleEntry> entries;
  std::unordered_map<std::string, std::size_t> index;  // string key -> position in entries
  PickleValue state;                                   // attributes: None or a dict
  std::shared_ptr<NDArray> array;
  std::shared_ptr<PickleStorage> storage;
  bool is_global = false;  // an object that is a class or function itself, such as torch.float32
};

struct UnpickleOptions {
  std::string where;  // put before every error message: the file's name
  // Called for persistent ids (PyTorch's storages). Without it they are refused.
  std::function<PickleValue(const PickleValue& id)> persistent_load;
  // Bytes that arrays, tensors and decoded strings may take together; 0: eight times the pickle plus 64 MiB.
  std::uint64_t max_array_bytes = 0;
  int nesting = 0;  // pickles within pickles so far
};

struct Unpickled {
  PickleValue value;
  std::size_t end = 0;  // offset after the pickle's last byte
};

// Reads the pickle at the beginning of `data` (protocols 0 to 5). Throws WeightsError for damaged or hostile data: a
// global that is not understood (its name is in the message), values nested deeper than 500, sizes beyond the data,
// values that contain themselves.
Unpickled unpickle(std::string_view data, const UnpickleOptions& options = {});

// Reads a .pkl file: one pickle, nothing required after it.
PickleValue load_pickle(const std::string& path);

// Writes arrays as storages of a torch file: given an array, returns the tuple that stands for its storage.
using PicklePersist = std::function<PickleValue(const std::shared_ptr<NDArray>& array)>;

// The value as a pickle. Arrays become NumPy arrays (protocol 4), or with `persist` PyTorch tensors whose storages are
// persistent ids (protocol 2, PyTorch's). Shared lists, dicts and arrays stay shared. Throws WeightsError for kinds
// that cannot be written (storage, object) and values nested deeper than 500.
std::string pickle(const PickleValue& value, const PicklePersist& persist = {});

// Writes pickle(value) to a file that appears whole or not at all.
void save_pickle(const std::string& path, const PickleValue& value);

}  // namespace fastermask
