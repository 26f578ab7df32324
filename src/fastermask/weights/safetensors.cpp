#include "fastermask/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "fastermask/base/file.h"
#include "fastermask/weights/numpy_type.h"

namespace fastermask {
namespace {

constexpr std::size_t kSafetensorsLength = 8;  // bytes of the header's length
constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsType {
  const char* name;
  DType dtype;
};

constexpr SafetensorsType kSafetensorsTypes[] = {
    {"F32", DType::float32}, {"F64", DType::float64}, {"F16", DType::float16}, {"BF16", DType::bfloat16},
    {"I64", DType::int64},   {"I32", DType::int32},   {"I16", DType::int16},   {"I8", DType::int8},
    {"U8", DType::uint8},    {"BOOL", DType::boolean}};

std::optional<DType> safetensors_dtype(const std::string& name) {
  for (const SafetensorsType& type : kSafetensorsTypes) {
    if (name == type.name) return type.dtype;
  }
  return std::nullopt;
}

std::string safetensors_type_name(DType dtype) {
  for (const SafetensorsType& type : kSafetensorsTypes) {
    if (dtype == type.dtype) return type.name;
  }
  return "";
}

NDArray parse_safetensor(const nlohmann::json& entry, std::string_view data, const std::string& where) {
  const auto dtype = safetensors_dtype(entry.at("dtype").get<std::string>());
  if (!dtype) {
    fail<WeightsError>("{}: type {} is not supported", where, entry.at("dtype").get<std::string>());
  }
  NDArray array;
  array.dtype = *dtype;
  array.shape = entry.at("shape").get<Shape>();
  const auto offsets = entry.at("data_offsets").get<std::vector<std::uint64_t>>();
  const std::uint64_t bytes = checked_bytes(array.shape, static_cast<int>(element_size(*dtype)), where);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size() || offsets[1] - offsets[0] != bytes) {
    fail<WeightsError>("{}: data_offsets must span {} bytes inside the file's {}", where, bytes, data.size());
  }
  array.bytes.resize(bytes);
  if (bytes > 0) std::memcpy(array.bytes.data(), data.data() + offsets[0], bytes);
  return array;
}

}  // namespace

Safetensors load_safetensors(const std::string& path) {
  const MappedFile file(path);
  const std::string_view content = file.view();
  std::uint64_t length = 0;
  if (content.size() >= kSafetensorsLength) std::memcpy(&length, content.data(), kSafetensorsLength);
  if (content.size() < kSafetensorsLength || length > content.size() - kSafetensorsLength ||
      length > kMaxSafetensorsHeader) {
    fail<WeightsError>("{}: damaged safetensors file: its header is cut off", path);
  }
  const std::string_view data = content.substr(kSafetensorsLength + length);
  Safetensors result;
  try {
    // The callback bounds the nesting, which nlohmann's destructor would follow recursively.
    const auto shallow = [&path](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      if (depth > 8) fail<WeightsError>("{}: damaged safetensors file: its header is nested too deep", path);
      return true;
    };
    const auto header = nlohmann::json::parse(content.substr(kSafetensorsLength, length), shallow);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        result.metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        result.arrays[name] = parse_safetensor(entry, data, path + ": " + name);
      }
    }
  } catch (const nlohmann::json::exception& error) {
    fail<WeightsError>("{}: damaged safetensors file: {}", path, error.what());
  }
  return result;
}

void save_safetensors(const std::string& path, const NamedArrays& arrays,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  // Larger elements first, so that every tensor is aligned to its element size without gaps.
  std::vector<const NamedArrays::value_type*> order;
  for (const auto& entry : arrays) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return element_size(a->second.dtype) > element_size(b->second.dtype);
  });
  std::uint64_t offset = 0;
  for (const auto* entry : order) {
    const NDArray& array = entry->second;
    header[entry->first] = {{"dtype", safetensors_type_name(array.dtype)},
                            {"shape", array.shape},
                            {"data_offsets", {offset, offset + array.bytes.size()}}};
    offset += array.bytes.size();
  }
  std::string text = header.dump();
  text.append((64 - (kSafetensorsLength + text.size()) % 64) % 64, ' ');
  const std::uint64_t length = text.size();
  std::string content(kSafetensorsLength, '\0');
  std::memcpy(content.data(), &length, kSafetensorsLength);
  content += text;
  content.reserve(content.size() + offset);
  for (const auto* entry : order) {
    content.append(reinterpret_cast<const char*>(entry->second.bytes.data()), entry->second.bytes.size());
  }
  write_file_atomic(path, content);
}

}  // namespace fastermask
