#include "fastermask/weights/npz.h"

#include <algorithm>
#include <cstring>

#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/weights/numpy_type.h"
#include "fastermask/weights/zip_file.h"

namespace fastermask {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";

// The text after "'key':" in the header's Python dict, without leading spaces.
std::string_view npy_field(std::string_view header, const std::string& key, const std::string& where) {
  const std::size_t start = header.find("'" + key + "'");
  const std::size_t colon = start == std::string_view::npos ? start : header.find(':', start);
  if (colon == std::string_view::npos) fail<WeightsError>("{}: the .npy header lacks '{}'", where, key);
  const std::size_t value = header.find_first_not_of(' ', colon + 1);
  if (value == std::string_view::npos) fail<WeightsError>("{}: the .npy header lacks '{}'", where, key);
  return header.substr(value);
}

Shape npy_shape(std::string_view field, const std::string& where) {
  const std::size_t end = field.find(')');
  if (field.empty() || field[0] != '(' || end == std::string_view::npos) {
    fail<WeightsError>("{}: the .npy header's shape must be a tuple", where);
  }
  Shape shape;
  for (const std::string& part : split(field.substr(1, end - 1), ',')) {
    const std::string_view digits = trim(part);
    if (digits.empty()) continue;
    if (digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string_view::npos || shape.size() == 32) {
      fail<WeightsError>("{}: the .npy header's shape must hold sizes, got '{}'", where, digits.substr(0, 40));
    }
    shape.push_back(std::stoll(std::string(digits)));
  }
  return shape;
}

std::string npy_type_text(std::string_view field, const std::string& where) {
  const std::size_t end = field.find('\'', 1);
  if (field[0] != '\'' || end == std::string_view::npos) {
    fail<WeightsError>("{}: arrays with named fields are not supported; save each field as an array of its own", where);
  }
  return std::string(field.substr(1, end - 1));
}

}  // namespace

NDArray parse_npy(std::string_view content, const std::string& where) {
  if (content.size() < 12 || content.substr(0, 6) != kNpyMagic) fail<WeightsError>("{}: not a .npy file", where);
  const auto byte_at = [content](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(content[i]));
  };
  const bool wide = byte_at(6) >= 2;  // version 1.0 has a 2-byte header length
  std::size_t length = byte_at(8) | byte_at(9) << 8;
  if (wide) length |= byte_at(10) << 16 | byte_at(11) << 24;
  const std::size_t start = wide ? 12 : 10;
  if (length > content.size() - start) fail<WeightsError>("{}: the .npy header is cut off", where);
  const std::string_view header = content.substr(start, length);
  const NumpyType type = parse_numpy_type(npy_type_text(npy_field(header, "descr", where), where), where);
  const bool fortran_order = starts_with(npy_field(header, "fortran_order", where), "True");
  const Shape shape = npy_shape(npy_field(header, "shape", where), where);
  return array_of_numpy(type, shape, fortran_order, content.substr(start + length), where);
}

NamedArrays load_npz(const std::string& path) {
  const MappedFile file(path);
  const ZipReader archive(file.view(), path);
  NamedArrays arrays;
  for (const std::string& entry : archive.names()) {
    if (!ends_with(entry, ".npy")) continue;
    const std::string name = entry.substr(0, entry.size() - 4);
    arrays[name] = parse_npy(archive.read(entry), path + ": " + name);
  }
  return arrays;
}

std::string npy_header(DType dtype, const Shape& shape) {
  std::string sizes = fmt::format("{}", fmt::join(shape, ", "));
  if (shape.size() == 1) sizes += ",";
  std::string dict =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", numpy_type_description(dtype), sizes);
  constexpr std::size_t kPrefix = 10;
  while ((kPrefix + dict.size() + 1) % 64 != 0) dict.push_back(' ');
  dict.push_back('\n');
  std::string header(kNpyMagic);
  header.push_back('\x01');
  header.push_back('\0');
  header.push_back(static_cast<char>(dict.size() & 0xFF));
  header.push_back(static_cast<char>(dict.size() >> 8));
  return header + dict;
}

void save_npz(const std::string& path, const NamedArrays& arrays) {
  write_file_atomic(path, [&arrays](const std::string& temporary) {
    ZipWriter writer(temporary, 64);
    for (const auto& [name, array] : arrays) {
      const NDArray converted = array.dtype == DType::bfloat16 ? without_bfloat16(array) : NDArray();
      const NDArray& source = array.dtype == DType::bfloat16 ? converted : array;
      const std::string header = npy_header(source.dtype, source.shape);
      writer.add(name + ".npy", {header, {reinterpret_cast<const char*>(source.bytes.data()), source.bytes.size()}});
    }
    writer.finish();
  });
}

}  // namespace fastermask
