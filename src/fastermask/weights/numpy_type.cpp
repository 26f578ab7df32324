#include "fastermask/weights/numpy_type.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

namespace fastermask {
namespace {

// The DType of elements kept as they are; nothing for unsigned types that are widened.
std::optional<DType> plain_numpy_dtype(const NumpyType& type) {
  switch (type.kind) {
    case 'f':
      if (type.size == 2) return DType::float16;
      return type.size == 4 ? DType::float32 : DType::float64;
    case 'i':
      if (type.size == 1) return DType::int8;
      if (type.size == 2) return DType::int16;
      return type.size == 4 ? DType::int32 : DType::int64;
    case 'b': return DType::boolean;
    default: break;
  }
  if (type.size == 1) return DType::uint8;
  return std::nullopt;
}

// Copies elements of `size` bytes, from Fortran order when asked, turning the bytes of each round when swapped.
std::vector<std::byte> numpy_elements_in_c_order(const NumpyType& type, const Shape& shape, bool fortran_order,
                                                 std::string_view data) {
  std::vector<std::byte> bytes(data.size());
  if (data.empty()) return bytes;
  const std::size_t size = static_cast<std::size_t>(type.size);
  if (!fortran_order || shape.size() < 2) {
    std::memcpy(bytes.data(), data.data(), data.size());
  } else {
    Shape position(shape.size(), 0);  // in C order, the last index runs fastest
    Shape stride(shape.size(), 1);    // of the Fortran-ordered source, in elements
    for (std::size_t d = 1; d < shape.size(); ++d) stride[d] = stride[d - 1] * shape[d - 1];
    const std::size_t count = data.size() / size;
    std::int64_t source = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(bytes.data() + i * size, data.data() + static_cast<std::size_t>(source) * size, size);
      for (std::size_t d = shape.size(); d-- > 0;) {
        source += stride[d];
        if (++position[d] < shape[d]) break;
        source -= stride[d] * shape[d];
        position[d] = 0;
      }
    }
  }
  if (type.swapped && size > 1) {
    for (std::size_t i = 0; i < bytes.size(); i += size) std::reverse(bytes.data() + i, bytes.data() + i + size);
  }
  return bytes;
}

template <class Source, class Target>
NDArray widen_numpy(DType dtype, const Shape& shape, const std::vector<std::byte>& bytes, const std::string& where) {
  NDArray result(dtype, shape);
  Target* target = result.data<Target>();
  const std::size_t count = bytes.size() / sizeof(Source);
  for (std::size_t i = 0; i < count; ++i) {
    Source value;
    std::memcpy(&value, bytes.data() + i * sizeof(Source), sizeof(Source));
    if constexpr (sizeof(Source) == sizeof(Target)) {
      if (value > static_cast<Source>(std::numeric_limits<Target>::max())) {
        fail<WeightsError>("{}: a uint64 element is {}, beyond int64", where, value);
      }
    }
    target[i] = static_cast<Target>(value);
  }
  return result;
}

}  // namespace

NumpyType parse_numpy_type(std::string_view description, const std::string& where) {
  NumpyType type;
  std::string_view rest = description;
  if (!rest.empty() && std::string_view("<>|=").find(rest[0]) != std::string_view::npos) {
    type.swapped = rest[0] == '>';
    rest.remove_prefix(1);
  }
  if (rest == "?") rest = "b1";
  const bool known = rest == "b1" || rest == "f2" || rest == "f4" || rest == "f8" ||
                     (rest.size() == 2 && (rest[0] == 'i' || rest[0] == 'u') &&
                      (rest[1] == '1' || rest[1] == '2' || rest[1] == '4' || rest[1] == '8'));
  if (!known) {
    fail<WeightsError>("{}: NumPy type must be a bool, integer or float (f2, f4, f8), got '{}'", where,
                       description.substr(0, 40));
  }
  type.kind = rest[0];
  type.size = rest[1] - '0';
  return type;
}

std::string numpy_type_description(DType dtype) {
  switch (dtype) {
    case DType::float32:
    case DType::bfloat16: return "<f4";
    case DType::float64: return "<f8";
    case DType::float16: return "<f2";
    case DType::int64: return "<i8";
    case DType::int32: return "<i4";
    case DType::int16: return "<i2";
    case DType::int8: return "|i1";
    case DType::uint8: return "|u1";
    case DType::boolean: return "|b1";
  }
  return "";
}

std::uint64_t checked_bytes(const Shape& shape, int size, const std::string& where) {
  std::uint64_t bytes = static_cast<std::uint64_t>(size);
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) fail<WeightsError>("{}: array sizes must not be negative, got {}", where, to_string(shape));
    empty = empty || extent == 0;
  }
  if (empty) return 0;
  for (const std::int64_t extent : shape) {
    if (bytes > (std::uint64_t{1} << 62) / static_cast<std::uint64_t>(extent)) {
      fail<WeightsError>("{}: array of shape {} is too large", where, to_string(shape));
    }
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return bytes;
}

NDArray array_of_numpy(const NumpyType& type, const Shape& shape, bool fortran_order, std::string_view data,
                       const std::string& where) {
  const std::uint64_t expected = checked_bytes(shape, type.size, where);
  if (expected != data.size()) {
    fail<WeightsError>("{}: array of shape {} needs {} bytes, the data has {}", where, to_string(shape), expected,
                       data.size());
  }
  std::vector<std::byte> bytes = numpy_elements_in_c_order(type, shape, fortran_order, data);
  if (const std::optional<DType> dtype = plain_numpy_dtype(type)) {
    NDArray result;
    result.dtype = *dtype;
    result.shape = shape;
    result.bytes = std::move(bytes);
    return result;
  }
  if (type.size == 2) return widen_numpy<std::uint16_t, std::int32_t>(DType::int32, shape, bytes, where);
  if (type.size == 4) return widen_numpy<std::uint32_t, std::int64_t>(DType::int64, shape, bytes, where);
  return widen_numpy<std::uint64_t, std::int64_t>(DType::int64, shape, bytes, where);
}

NDArray without_bfloat16(const NDArray& array) {
  return array.dtype == DType::bfloat16 ? NDArray::from<float>(array.shape, array.to_floats()) : array;
}

}  // namespace fastermask
