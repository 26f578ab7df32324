// PNG through libpng. Gray of any depth, palettes, alpha (dropped), 16 bits (the high byte is kept; Pillow does that
// for colour, and clips 16-bit gray to white, which helps nobody).
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/data/image_codecs.h"

namespace fastermask::codec {
namespace {

struct PngErrors {
  char message[256] = "";
};

[[noreturn]] void png_on_error(png_structp png, png_const_charp message) {
  auto* errors = static_cast<PngErrors*>(png_get_error_ptr(png));
  std::strncpy(errors->message, message, sizeof(errors->message) - 1);
  png_longjmp(png, 1);
}

void png_on_warning(png_structp, png_const_charp) {}

struct PngBytes {
  std::string_view bytes;
  std::size_t at = 0;
};

void png_read_bytes(png_structp png, png_bytep out, png_size_t count) {
  auto* source = static_cast<PngBytes*>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at) png_error(png, "the file is truncated");
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

void png_write_bytes(png_structp png, png_bytep data, png_size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), count);
}

void png_flush_bytes(png_structp) {}

// A reader whose functions return false after an error (libpng leaves by longjmp).
struct PngDecoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  PngErrors errors;
  PngBytes source;

  explicit PngDecoder(std::string_view bytes) : source{bytes} {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors, png_on_error, png_on_warning);
    info = png == nullptr ? nullptr : png_create_info_struct(png);
    if (info == nullptr) fail<DataError>("image: libpng {} cannot be used: out of memory?", PNG_LIBPNG_VER_STRING);
  }
  ~PngDecoder() { png_destroy_read_struct(&png, &info, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  bool read_header() {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_set_read_fn(png, &source, png_read_bytes);
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);  // our own limit has the better message
    png_read_info(png, info);
    return true;
  }

  bool start(PixelFormat format) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    const bool gray = (png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR) == 0;
    png_set_strip_16(png);
    png_set_packing(png);
    if (gray) png_set_expand_gray_1_2_4_to_8(png);
    if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    png_set_strip_alpha(png);
    if (gray && format != PixelFormat::gray) png_set_gray_to_rgb(png);
    if (format == PixelFormat::bgr) png_set_bgr(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return true;
  }

  bool read_rows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    png_read_image(png, rows);
    png_read_end(png, info);
    return true;
  }

  int orientation() {
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png, info, &size, &exif) != 0 && exif != nullptr) {
      return exif_orientation(std::string_view(reinterpret_cast<const char*>(exif), size));
    }
#endif
    return 1;
  }

  ImageSize size() const {
    return {static_cast<int>(png_get_image_height(png, info)), static_cast<int>(png_get_image_width(png, info))};
  }

  [[noreturn]] void throw_error(const std::string& name) const {
    fail<DataError>("image: {}: damaged PNG: {}", name, errors.message);
  }
};

bool png_encode_rows(const Image& image, PixelFormat format, std::string& out, PngErrors& errors) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, png_on_error, png_on_warning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) return false;
  if (setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(png, &out, png_write_bytes, png_flush_bytes);
  png_set_compression_level(png, 4);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  if (format == PixelFormat::bgr) png_set_bgr(png);
  for (int y = 0; y < image.height; ++y) png_write_row(png, image.row(y));
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return true;
}

}  // namespace

ImageHeader png_header(std::string_view bytes, const std::string& name) {
  PngDecoder decoder(bytes);
  if (!decoder.read_header()) decoder.throw_error(name);
  ImageHeader header;
  header.kind = ImageFileKind::png;
  header.stored_size = decoder.size();
  header.orientation = decoder.orientation();
  return header;
}

Image png_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation) {
  PngDecoder decoder(bytes);
  if (!decoder.read_header()) decoder.throw_error(name);
  const ImageSize size = decoder.size();
  check_size(name, size.height, size.width);
  if (!decoder.start(format)) decoder.throw_error(name);
  Image image(size.height, size.width, png_get_channels(decoder.png, decoder.info));
  if (png_get_rowbytes(decoder.png, decoder.info) != image.row_bytes()) {
    fail<DataError>("image: {}: this kind of PNG is not supported", name);
  }
  std::vector<png_bytep> rows;
  for (int y = 0; y < size.height; ++y) rows.push_back(image.row(y));
  if (!decoder.read_rows(rows.data())) decoder.throw_error(name);
  orientation = decoder.orientation();
  return image;
}

std::string png_encode(const Image& image, PixelFormat format) {
  std::string out;
  PngErrors errors;
  if (!png_encode_rows(image, format, out, errors)) fail<DataError>("image: cannot write a PNG: {}", errors.message);
  return out;
}

}  // namespace fastermask::codec
