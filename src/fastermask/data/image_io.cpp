// Picture files: which format, orientation, channel order. The formats themselves are in *_codec.cpp.
#include "fastermask/data/image_io.h"

#include <array>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/data/image_codecs.h"

namespace fastermask {
namespace {

std::string load_image_bytes(const std::string& path) {
  if (!path_exists(path)) fail<DataError>("image: {}: no such file", path);
  try {
    return read_file(path);
  } catch (const Error& error) {
    throw DataError(std::string("image: ") + error.what());
  }
}

ImageFileKind image_kind_of_bytes(std::string_view bytes, const std::string& name) {
  if (bytes.empty()) fail<DataError>("image: {}: the file is empty", name);
  if (starts_with(bytes, "\xFF\xD8")) return ImageFileKind::jpeg;
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n")) return ImageFileKind::png;
  if (bytes.size() >= 12 && starts_with(bytes, "RIFF") && bytes.substr(8, 4) == "WEBP") return ImageFileKind::webp;
  fail<DataError>("image: {}: not a JPEG, PNG or WebP file (it begins with bytes {:02x} {:02x})", name,
                  static_cast<unsigned char>(bytes[0]), bytes.size() > 1 ? static_cast<unsigned char>(bytes[1]) : 0);
}

ImageFileKind image_kind_of_ending(const std::string& path) {
  const std::string name = to_lower(path);
  if (ends_with(name, ".jpg") || ends_with(name, ".jpeg")) return ImageFileKind::jpeg;
  if (ends_with(name, ".png")) return ImageFileKind::png;
  if (ends_with(name, ".webp")) return ImageFileKind::webp;
  fail<DataError>("image: {}: cannot write this kind; the name must end in .jpg, .jpeg, .png or .webp", path);
}

}  // namespace

PixelFormat parse_pixel_format(const std::string& name) {
  if (name == "BGR") return PixelFormat::bgr;
  if (name == "RGB") return PixelFormat::rgb;
  if (name == "L") return PixelFormat::gray;
  fail<ConfigError>("config: INPUT.FORMAT must be BGR, RGB or L, got '{}'", name);
}

Image decode_image(std::string_view bytes, const std::string& name, PixelFormat format) {
  int orientation = 1;
  Image image;
  switch (image_kind_of_bytes(bytes, name)) {
    case ImageFileKind::jpeg: image = codec::jpeg_decode(bytes, name, format, orientation); break;
    case ImageFileKind::png: image = codec::png_decode(bytes, name, format, orientation); break;
    case ImageFileKind::webp: image = codec::webp_decode(bytes, name, format, orientation); break;
  }
  if (format == PixelFormat::gray && image.channels == 3) image = codec::to_gray(image, PixelFormat::rgb);
  return codec::orient(std::move(image), orientation);
}

Image read_image(const std::string& path, PixelFormat format) {
  return decode_image(load_image_bytes(path), path, format);
}

Image convert_pixels(Image image, PixelFormat from, PixelFormat to) {
  if (image.channels != 3) fail<DataError>("image: pixels to convert must have 3 channels, got {}", image.channels);
  if (to == PixelFormat::gray) return codec::to_gray(image, from);
  if (from == to) return image;
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) std::swap(image.pixels[i], image.pixels[i + 2]);
  return image;
}

ImageHeader decode_image_header(std::string_view bytes, const std::string& name) {
  ImageHeader header;
  switch (image_kind_of_bytes(bytes, name)) {
    case ImageFileKind::jpeg: header = codec::jpeg_header(bytes, name); break;
    case ImageFileKind::png: header = codec::png_header(bytes, name); break;
    case ImageFileKind::webp: header = codec::webp_header(bytes, name); break;
  }
  header.size = header.stored_size;
  if (header.orientation >= 5) std::swap(header.size.height, header.size.width);
  return header;
}

ImageHeader read_image_header(const std::string& path) {
  if (!is_file(path)) fail<DataError>("image: {}: no such file", path);
  const MappedFile file(path);
  return decode_image_header(file.view(), path);
}

ImageSize read_image_size(const std::string& path) { return read_image_header(path).size; }

bool has_image_ending(const std::string& path) {
  const std::string name = to_lower(path);
  for (const char* ending : {".jpg", ".jpeg", ".png", ".webp"}) {
    if (ends_with(name, ending)) return true;
  }
  return false;
}

std::string encode_image(const Image& image, ImageFileKind kind, PixelFormat format, int quality) {
  if (image.height < 1 || image.width < 1) fail<DataError>("image: cannot write an empty picture");
  if (image.channels != 1 && image.channels != 3) {
    fail<DataError>("image: a picture to write must have 1 or 3 channels, got {}", image.channels);
  }
  const PixelFormat order = image.channels == 1 ? PixelFormat::gray : format;
  switch (kind) {
    case ImageFileKind::jpeg: return codec::jpeg_encode(image, order, quality);
    case ImageFileKind::png: return codec::png_encode(image, order);
    case ImageFileKind::webp: break;
  }
  return codec::webp_encode(image, order, quality);
}

void write_image(const std::string& path, const Image& image, PixelFormat format, int quality) {
  write_file_atomic(path, encode_image(image, image_kind_of_ending(path), format, quality));
}

}  // namespace fastermask
