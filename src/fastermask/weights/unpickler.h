// The restricted pickle machine: a stack, a memo and the opcodes of protocols 0 to 5. Internal to this layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fastermask/weights/pickle.h"

namespace fastermask {

// Owns a list of every node made while unpickling, so that hostile nesting can be taken apart without recursion.
class PickleArena {
 public:
  PickleArena() = default;
  ~PickleArena();  // unlinks every node that was not released
  PickleArena(const PickleArena&) = delete;
  PickleArena& operator=(const PickleArena&) = delete;

  PickleValue make(PickleValue::Kind kind, std::string text = {});

  // Leaves the nodes reachable from `root` intact and unlinks the others. Returns nullptr, or what is wrong with the
  // tree: nested too deep, or containing itself (then everything is unlinked).
  const char* release(const PickleValue& root);

  std::size_t size() const { return nodes_.size(); }

 private:
  std::vector<std::shared_ptr<PickleNode>> nodes_;
};

// What the builders of known globals (unpickle_globals.cpp) may use.
struct UnpickleContext {
  const UnpickleOptions* options = nullptr;
  PickleArena arena;
  std::uint64_t bytes_left = 0;

  // Takes `bytes` off what arrays may still use; throws WeightsError when that is not enough.
  void charge(std::uint64_t bytes);
  // "<where>: " for messages.
  const std::string& where() const { return options->where; }
  // A new array value.
  PickleValue make_array(std::shared_ptr<NDArray> array);
};

// The object that stands for `module.name`. Throws WeightsError naming it when it is not one of the known globals.
PickleValue find_pickle_global(UnpickleContext& context, const std::string& module, const std::string& name);

// Calls a known global: the value that `callable(*arguments)` stands for.
PickleValue call_pickle_global(UnpickleContext& context, const PickleValue& callable, const PickleValue& arguments);

// Sets an object's state (__setstate__): NumPy arrays and types, attributes of dicts and objects.
void build_pickle_state(UnpickleContext& context, const PickleValue& target, const PickleValue& state);

// tensor/storage part (unpickle_torch.cpp): the builders of torch's globals.
PickleValue rebuild_torch_tensor(UnpickleContext& context, const std::string& name,
                                 const std::vector<PickleValue>& arguments);
PickleValue load_torch_bytes(UnpickleContext& context, const PickleValue& bytes);

class Unpickler {
 public:
  Unpickler(std::string_view data, const UnpickleOptions& options);
  Unpickled run();

 private:
  // Input.
  std::string_view take(std::uint64_t count);
  std::uint64_t take_uint(int bytes);
  std::string_view take_line();

  // Stack.
  void push(PickleValue value);
  PickleValue pop();
  PickleValue& top();
  std::vector<PickleValue> pop_to_mark();

  // Memo.
  void put(std::uint64_t index);
  void get(std::uint64_t index);
  std::uint64_t take_memo_index();

  // Opcodes by family; each returns false when `opcode` is not of its family.
  bool run_number(unsigned char opcode);
  bool run_text(unsigned char opcode);
  bool run_container(unsigned char opcode);
  bool run_stack(unsigned char opcode);
  bool run_object(unsigned char opcode);

  void push_text(PickleValue::Kind kind, std::string_view bytes);
  void push_long(std::string_view little_endian);
  void push_integer_line();
  void push_long_line();
  void push_quoted_line();
  void push_unicode_line();
  void make_sequence(PickleValue::Kind kind, std::vector<PickleValue> items);
  void append_items(std::vector<PickleValue> items);
  void set_items(const std::vector<PickleValue>& items);
  void load_persistent(const PickleValue& id);
  void new_object(bool with_keywords);
  void old_object(PickleValue type, std::vector<PickleValue> arguments);

  [[noreturn]] void damaged(const std::string& what) const;

  std::string_view data_;
  std::size_t position_ = 0;
  UnpickleContext context_;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;  // stack sizes at each mark
  std::unordered_map<std::uint64_t, PickleValue> memo_;
};

}  // namespace fastermask
