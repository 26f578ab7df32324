#include "fastermask/structures/ndarray.h"

#include <cstring>
#include <limits>

namespace fastermask {
namespace {

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  std::uint32_t exponent = (half >> 10) & 0x1Fu;
  std::uint32_t mantissa = half & 0x3FFu;
  std::uint32_t bits = sign;
  if (exponent == 31) {
    bits |= 0x7F800000u | (mantissa << 13);
  } else if (exponent != 0) {
    bits |= ((exponent + 112) << 23) | (mantissa << 13);
  } else if (mantissa != 0) {
    exponent = 113;
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    bits |= (exponent << 23) | ((mantissa & 0x3FFu) << 13);
  }
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float bfloat16_to_float(std::uint16_t brain) {
  const std::uint32_t bits = static_cast<std::uint32_t>(brain) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

template <class Source, class Target, class Convert>
void convert_all(const NDArray& array, std::vector<Target>& target, Convert convert) {
  const auto* source = reinterpret_cast<const Source*>(array.bytes.data());
  for (std::size_t i = 0; i < target.size(); ++i) target[i] = convert(source[i]);
}

template <class Target>
std::vector<Target> convert(const NDArray& array) {
  std::vector<Target> result(static_cast<std::size_t>(array.size()));
  const auto plain = [](auto value) { return static_cast<Target>(value); };
  switch (array.dtype) {
    case DType::float32: convert_all<float>(array, result, plain); break;
    case DType::float64: convert_all<double>(array, result, plain); break;
    case DType::float16:
      convert_all<std::uint16_t>(array, result, [](std::uint16_t h) { return static_cast<Target>(half_to_float(h)); });
      break;
    case DType::bfloat16:
      convert_all<std::uint16_t>(array, result,
                                 [](std::uint16_t b) { return static_cast<Target>(bfloat16_to_float(b)); });
      break;
    case DType::int64: convert_all<std::int64_t>(array, result, plain); break;
    case DType::int32: convert_all<std::int32_t>(array, result, plain); break;
    case DType::int16: convert_all<std::int16_t>(array, result, plain); break;
    case DType::int8: convert_all<std::int8_t>(array, result, plain); break;
    case DType::uint8:
    case DType::boolean: convert_all<std::uint8_t>(array, result, plain); break;
  }
  return result;
}

}  // namespace

std::size_t element_size(DType dtype) {
  switch (dtype) {
    case DType::float64:
    case DType::int64: return 8;
    case DType::float32:
    case DType::int32: return 4;
    case DType::float16:
    case DType::bfloat16:
    case DType::int16: return 2;
    case DType::int8:
    case DType::uint8:
    case DType::boolean: return 1;
  }
  return 0;
}

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::float32: return "float32";
    case DType::float64: return "float64";
    case DType::float16: return "float16";
    case DType::bfloat16: return "bfloat16";
    case DType::int64: return "int64";
    case DType::int32: return "int32";
    case DType::int16: return "int16";
    case DType::int8: return "int8";
    case DType::uint8: return "uint8";
    case DType::boolean: return "bool";
  }
  return "?";
}

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    FASTERMASK_CHECK(size >= 0, "ndarray: sizes must not be negative, got {}", to_string(shape));
    FASTERMASK_CHECK(size == 0 || count <= std::numeric_limits<std::int64_t>::max() / size,
                     "ndarray: shape {} is too large", to_string(shape));
    count *= size;
  }
  return count;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

NDArray::NDArray(DType array_dtype, Shape array_shape)
    : dtype(array_dtype),
      shape(std::move(array_shape)),
      bytes(static_cast<std::size_t>(element_count(shape)) * element_size(array_dtype)) {}

std::vector<float> NDArray::to_floats() const { return convert<float>(*this); }
std::vector<std::int64_t> NDArray::to_integers() const { return convert<std::int64_t>(*this); }

namespace detail {

void throw_wrong_dtype(DType wanted, DType got) {
  fail("ndarray: elements must be {}, got {}", dtype_name(wanted), dtype_name(got));
}

void copy_elements(NDArray& array, const void* values) {
  if (!array.bytes.empty()) std::memcpy(array.bytes.data(), values, array.bytes.size());
}

}  // namespace detail
}  // namespace fastermask
