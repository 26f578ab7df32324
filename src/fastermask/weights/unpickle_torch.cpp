// PyTorch's tensors and storages inside pickles.
#include <cstring>
#include <utility>

#include "fastermask/base/text.h"
#include "fastermask/weights/numpy_type.h"
#include "fastermask/weights/torch_storage.h"
#include "fastermask/weights/unpickler.h"

namespace fastermask {
namespace {

constexpr int kMaxTorchNesting = 4;

struct TorchStorageType {
  const char* storage;  // "FloatStorage"
  const char* element;  // "float32"
  DType dtype;
};

constexpr TorchStorageType kTorchStorageTypes[] = {{"FloatStorage", "float32", DType::float32},
                                                   {"DoubleStorage", "float64", DType::float64},
                                                   {"HalfStorage", "float16", DType::float16},
                                                   {"BFloat16Storage", "bfloat16", DType::bfloat16},
                                                   {"LongStorage", "int64", DType::int64},
                                                   {"IntStorage", "int32", DType::int32},
                                                   {"ShortStorage", "int16", DType::int16},
                                                   {"CharStorage", "int8", DType::int8},
                                                   {"ByteStorage", "uint8", DType::uint8},
                                                   {"BoolStorage", "bool", DType::boolean},
                                                   {"UntypedStorage", "uint8", DType::uint8},
                                                   {"storage.UntypedStorage", "uint8", DType::uint8},
                                                   {"storage._UntypedStorage", "uint8", DType::uint8}};

[[noreturn]] void bad_tensor(const UnpickleContext& context, const std::string& what) {
  fail<WeightsError>("{}: damaged tensor: {}", context.where(), what);
}

Shape torch_sizes(const UnpickleContext& context, const PickleValue& value) {
  const bool sequence = value.kind() == PickleValue::Kind::tuple || value.kind() == PickleValue::Kind::list;
  if (!sequence || value.items().size() > 64) bad_tensor(context, "its size or stride is no tuple");
  Shape sizes;
  for (const PickleValue& item : value.items()) {
    if (item.as_int() < 0) bad_tensor(context, "a size or stride is negative");
    sizes.push_back(item.as_int());
  }
  return sizes;
}

// Where elements lie in their storage, in elements.
struct TensorLayout {
  std::int64_t offset = 0;
  Shape size;
  Shape stride;

  bool contiguous() const {
    std::int64_t expected = 1;
    for (std::size_t d = size.size(); d-- > 0;) {
      if (size[d] != 1 && stride[d] != expected) return false;
      expected *= size[d];
    }
    return true;
  }
};

// Throws unless every element lies inside `count` elements; sizes without elements are always fine.
void check_layout(const UnpickleContext& context, const TensorLayout& layout, std::int64_t elements,
                  std::int64_t count) {
  if (layout.offset < 0 || layout.size.size() != layout.stride.size()) bad_tensor(context, "size and stride disagree");
  if (elements == 0) return;
  std::int64_t last = layout.offset;
  for (std::size_t d = 0; d < layout.size.size(); ++d) {
    const std::int64_t steps = layout.size[d] - 1;
    if (last >= count || (steps > 0 && layout.stride[d] > count / steps)) {
      bad_tensor(context, "it reaches beyond its storage");
    }
    last += steps * layout.stride[d];
  }
  if (last >= count) bad_tensor(context, "it reaches beyond its storage");
}

// Copies a view's elements in row-major order.
void gather_elements(const TensorLayout& layout, std::size_t size, const std::byte* storage, NDArray& target) {
  const std::size_t dims = layout.size.size();
  if (target.bytes.empty()) return;
  if (layout.contiguous()) {
    std::memcpy(target.bytes.data(), storage + static_cast<std::size_t>(layout.offset) * size, target.bytes.size());
    return;
  }
  Shape position(dims, 0);
  std::int64_t source = layout.offset;
  for (std::size_t done = 0; done < target.bytes.size(); done += size) {
    std::memcpy(target.bytes.data() + done, storage + static_cast<std::size_t>(source) * size, size);
    for (std::size_t d = dims; d-- > 0;) {
      source += layout.stride[d];
      if (++position[d] < layout.size[d]) break;
      source -= layout.stride[d] * layout.size[d];
      position[d] = 0;
    }
  }
}

}  // namespace

bool torch_dtype_of(std::string_view type_name, DType& dtype) {
  if (!starts_with(type_name, "torch.")) return false;
  for (const TorchStorageType& type : kTorchStorageTypes) {
    if (type_name.substr(6) == type.storage || type_name.substr(6) == type.element) {
      dtype = type.dtype;
      return true;
    }
  }
  return false;
}

std::string torch_storage_type(DType dtype) {
  for (const TorchStorageType& type : kTorchStorageTypes) {
    if (type.dtype == dtype) return type.storage;
  }
  return "";
}

PickleValue rebuild_torch_tensor(UnpickleContext& context, const std::string& name,
                                 const std::vector<PickleValue>& arguments) {
  if (arguments.size() < 4 || arguments[0].kind() != PickleValue::Kind::storage) {
    bad_tensor(context, "it has no storage");
  }
  PickleStorage& storage = *arguments[0].node()->storage;
  DType dtype = storage.dtype;
  if (ends_with(name, "_v3") && (arguments.size() < 7 || !torch_dtype_of(arguments[6].type_name(), dtype))) {
    bad_tensor(context, "its element type is not supported");
  }
  const std::size_t size = element_size(dtype);
  const TensorLayout layout{arguments[1].as_int(), torch_sizes(context, arguments[2]),
                            torch_sizes(context, arguments[3])};
  const std::uint64_t bytes = checked_bytes(layout.size, static_cast<int>(size), context.where());
  const std::uint64_t storage_bytes = static_cast<std::uint64_t>(storage.count) * element_size(storage.dtype);
  check_layout(context, layout, static_cast<std::int64_t>(bytes / size),
               static_cast<std::int64_t>(storage_bytes / size));
  if (storage.elements == nullptr) return {};
  if (!storage.claimed && bytes == storage_bytes && layout.offset == 0 && layout.contiguous()) {
    storage.claimed = true;
    storage.elements->dtype = dtype;
    storage.elements->shape = layout.size;
    return context.make_array(storage.elements);
  }
  context.charge(bytes);
  auto array = std::make_shared<NDArray>(dtype, layout.size);
  gather_elements(layout, size, storage.elements->bytes.data(), *array);
  return context.make_array(std::move(array));
}

PickleValue load_torch_bytes(UnpickleContext& context, const PickleValue& bytes) {
  if (context.options->nesting >= kMaxTorchNesting) bad_tensor(context, "files are nested in files too deep");
  context.charge(bytes.text().size());
  return parse_torch_file(bytes.text(), context.where(), context.options->nesting + 1);
}

}  // namespace fastermask
