// PNG through libpng: gray of any depth, palettes, alpha (dropped), 16 bits. Of 16-bit colour, and of 16-bit gray with
// alpha, the high byte is kept; plain 16-bit gray is clipped at 255. That is what Pillow's convert("RGB") does, so what
// models trained with detectron2 saw; as it turns most such pictures white, it is logged once.
#include <png.h>

#include <atomic>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/log.h"
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
  bool deep_gray = false;  // rows are of two bytes a pixel, high byte first

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
    const int type = png_get_color_type(png, info);
    const bool gray = (type & PNG_COLOR_MASK_COLOR) == 0;
    deep_gray = type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) == 16;
    if (!deep_gray) png_set_strip_16(png);
    png_set_packing(png);
    if (gray) png_set_expand_gray_1_2_4_to_8(png);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    png_set_strip_alpha(png);
    if (gray && !deep_gray && format != PixelFormat::gray) png_set_gray_to_rgb(png);
    if (format == PixelFormat::bgr) png_set_bgr(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return true;
  }

  bool start_values() {
    if (setjmp(png_jmpbuf(png)) != 0) return false;
    if ((png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR) != 0) png_set_strip_16(png);
    png_set_packing(png);
    png_set_strip_alpha(png);
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

  ImageSize size() const {
    return {static_cast<int>(png_get_image_height(png, info)), static_cast<int>(png_get_image_width(png, info))};
  }

  [[noreturn]] void throw_error(const std::string& name) const {
    fail<DataError>("image: {}: damaged PNG: {}", name, errors.message);
  }
};

std::uint32_t png_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// From the eXIf chunk, which may stand before the pixels or after them.
int png_orientation(std::string_view bytes) {
  for (std::size_t at = 8; at + 12 <= bytes.size();) {  // chunks: length, type, data, checksum
    const std::size_t size = png_u32(bytes, at);
    if (size > bytes.size() - at - 12) return 1;
    if (bytes.substr(at + 4, 4) == "eXIf") return exif_orientation(bytes.substr(at + 8, size));
    at += 12 + size;
  }
  return 1;
}

// Deflate makes at most 1032 bytes of one. A file too short for its size is refused before memory is taken for it.
void check_png_length(const PngDecoder& decoder, std::string_view bytes, const std::string& name) {
  const ImageSize size = decoder.size();
  const int bits = png_get_channels(decoder.png, decoder.info) * png_get_bit_depth(decoder.png, decoder.info);
  const double stored = static_cast<double>(size.height) * static_cast<double>(size.width) * bits / 8;
  if (stored > 1032.0 * static_cast<double>(bytes.size())) {
    fail<DataError>("image: {}: damaged PNG: {} bytes cannot hold {}x{} pixels", name, bytes.size(), size.width,
                    size.height);
  }
}

// 16-bit gray as Pillow converts it to RGB: values over 255 are white.
Image clip_deep_gray(const std::vector<std::uint8_t>& deep, ImageSize size, PixelFormat format) {
  Image image(size.height, size.width, format == PixelFormat::gray ? 1 : 3);
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  bool clipped = false;
  for (std::size_t i = 0; 2 * i < deep.size(); ++i) {
    clipped = clipped || deep[2 * i] != 0;
    std::memset(image.pixels.data() + channels * i, deep[2 * i] != 0 ? 255 : deep[2 * i + 1], channels);
  }
  static std::atomic<bool> told{false};
  if (clipped && !told.exchange(true)) {
    log_warning("data.detection_utils",
                "16-bit gray PNGs are read as Pillow and detectron2 read them: values over 255 become white. Write "
                "them with 8 bits to keep their shades.");
  }
  return image;
}

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
  header.orientation = png_orientation(bytes);
  return header;
}

Image png_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation) {
  PngDecoder decoder(bytes);
  if (!decoder.read_header()) decoder.throw_error(name);
  const ImageSize size = decoder.size();
  check_size(name, size.height, size.width);
  check_png_length(decoder, bytes, name);
  if (!decoder.start(format)) decoder.throw_error(name);
  const std::size_t row_bytes = png_get_rowbytes(decoder.png, decoder.info);
  Image image;
  std::vector<std::uint8_t> deep;
  if (decoder.deep_gray) {
    deep.resize(row_bytes * static_cast<std::size_t>(size.height));
  } else {
    image = Image(size.height, size.width, png_get_channels(decoder.png, decoder.info));
  }
  if (row_bytes != (decoder.deep_gray ? 2 * static_cast<std::size_t>(size.width) : image.row_bytes())) {
    fail<DataError>("image: {}: this kind of PNG is not supported", name);
  }
  std::uint8_t* first = decoder.deep_gray ? deep.data() : image.pixels.data();
  std::vector<png_bytep> rows;
  for (int y = 0; y < size.height; ++y) rows.push_back(first + static_cast<std::size_t>(y) * row_bytes);
  if (!decoder.read_rows(rows.data())) decoder.throw_error(name);
  orientation = png_orientation(bytes);
  return decoder.deep_gray ? clip_deep_gray(deep, size, format) : image;
}

std::vector<std::uint32_t> png_values(std::string_view bytes, const std::string& name, ImageSize& size) {
  PngDecoder decoder(bytes);
  if (!decoder.read_header()) decoder.throw_error(name);
  size = decoder.size();
  check_size(name, size.height, size.width);
  check_png_length(decoder, bytes, name);
  if (!decoder.start_values()) decoder.throw_error(name);
  const std::size_t row_bytes = png_get_rowbytes(decoder.png, decoder.info);
  const std::size_t step = row_bytes / static_cast<std::size_t>(size.width);  // 1 gray, 2 16-bit gray, 3 colour
  std::vector<std::uint8_t> stored(row_bytes * static_cast<std::size_t>(size.height));
  std::vector<png_bytep> rows;
  for (int y = 0; y < size.height; ++y) rows.push_back(stored.data() + static_cast<std::size_t>(y) * row_bytes);
  if (!decoder.read_rows(rows.data())) decoder.throw_error(name);
  std::vector<std::uint32_t> values(stored.size() / step);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint8_t* at = stored.data() + i * step;
    values[i] = step == 1 ? at[0] : step == 2 ? at[0] * 256u + at[1] : at[0] + 256u * at[1] + 65536u * at[2];
  }
  return values;
}

std::string png_encode(const Image& image, PixelFormat format) {
  std::string out;
  PngErrors errors;
  if (!png_encode_rows(image, format, out, errors)) fail<DataError>("image: cannot write a PNG: {}", errors.message);
  return out;
}

}  // namespace fastermask::codec
