// Named dense arrays: the common currency of weight files, .npz dumps and golden data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fastermask/base/error.h"

namespace fastermask {

enum class DType { float32, float64, float16, bfloat16, int64, int32, int16, int8, uint8, boolean };

// Bytes of one element.
std::size_t element_size(DType dtype);

// "float32", "int64", ...: NumPy's names ("bfloat16" too).
const char* dtype_name(DType dtype);

// The DType of a C++ element type: dtype_of<float>() is DType::float32.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() { return DType::float32; }
template <>
constexpr DType dtype_of<double>() { return DType::float64; }
template <>
constexpr DType dtype_of<std::int64_t>() { return DType::int64; }
template <>
constexpr DType dtype_of<std::int32_t>() { return DType::int32; }
template <>
constexpr DType dtype_of<std::int16_t>() { return DType::int16; }
template <>
constexpr DType dtype_of<std::int8_t>() { return DType::int8; }
template <>
constexpr DType dtype_of<std::uint8_t>() { return DType::uint8; }

using Shape = std::vector<std::int64_t>;

// Product of the sizes; 1 for a scalar. Throws Error on a negative size or when the product overflows.
std::int64_t element_count(const Shape& shape);

// "[3, 4]", "[]".
std::string to_string(const Shape& shape);

// An owning array, row-major and contiguous.
struct NDArray {
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::byte> bytes;  // element_count(shape) * element_size(dtype)

  NDArray() = default;
  NDArray(DType array_dtype, Shape array_shape);  // filled with zeros

  // An array holding a copy of `values`, whose length must be element_count(array_shape).
  template <class T>
  static NDArray from(Shape array_shape, const std::vector<T>& values);
  template <class T>
  static NDArray from(Shape array_shape, const T* values);

  std::int64_t size() const { return element_count(shape); }

  // The elements as T. Throws Error when T is not the array's type.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;

  // The elements converted to float32 or int64, whatever the array's type.
  std::vector<float> to_floats() const;
  std::vector<std::int64_t> to_integers() const;
};

// Arrays by name, in name order.
using NamedArrays = std::map<std::string, NDArray>;

namespace detail {
[[noreturn]] void throw_wrong_dtype(DType wanted, DType got);
void copy_elements(NDArray& array, const void* values);
}  // namespace detail

template <class T>
T* NDArray::data() {
  if (dtype != dtype_of<T>()) detail::throw_wrong_dtype(dtype_of<T>(), dtype);
  return reinterpret_cast<T*>(bytes.data());
}

template <class T>
const T* NDArray::data() const {
  if (dtype != dtype_of<T>()) detail::throw_wrong_dtype(dtype_of<T>(), dtype);
  return reinterpret_cast<const T*>(bytes.data());
}

template <class T>
NDArray NDArray::from(Shape array_shape, const T* values) {
  NDArray array(dtype_of<T>(), std::move(array_shape));
  detail::copy_elements(array, values);
  return array;
}

template <class T>
NDArray NDArray::from(Shape array_shape, const std::vector<T>& values) {
  FASTERMASK_CHECK(element_count(array_shape) == static_cast<std::int64_t>(values.size()),
                   "ndarray: shape {} needs {} values, got {}", to_string(array_shape), element_count(array_shape),
                   values.size());
  return from(std::move(array_shape), values.data());
}

}  // namespace fastermask
