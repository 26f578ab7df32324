// JPEG through libjpeg-turbo with its default settings (slow integer DCT, fancy upsampling), which are Pillow's.
// Errors leave the library by longjmp, as it demands; no C++ object is made between setjmp and the calls that may jump.
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>
#include <jerror.h>

#include <array>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/data/image_codecs.h"

namespace fastermask::codec {
namespace {

struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void jpeg_on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  errors->manager.format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

// Damaged data inside the picture is a warning to libjpeg and to Pillow: decoded as well as can be.
void jpeg_on_message(j_common_ptr, int) {}
void jpeg_on_output(j_common_ptr) {}

jpeg_error_mgr* jpeg_prepare_errors(JpegErrors& errors) {
  jpeg_std_error(&errors.manager);
  errors.manager.error_exit = jpeg_on_error;
  errors.manager.emit_message = jpeg_on_message;
  errors.manager.output_message = jpeg_on_output;
  return &errors.manager;
}

// Asked for bytes beyond the end of the file: truncated. (libjpeg's own source would paint the rest gray.)
boolean jpeg_out_of_bytes(j_decompress_ptr info) {
  info->err->msg_code = JERR_INPUT_EOF;
  info->err->error_exit(reinterpret_cast<j_common_ptr>(info));
  return FALSE;  // not reached
}

void jpeg_skip_bytes(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer) jpeg_out_of_bytes(info);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
}

void jpeg_nothing(j_decompress_ptr) {}

void jpeg_use_bytes(jpeg_decompress_struct& info, jpeg_source_mgr& source, std::string_view bytes) {
  source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  source.bytes_in_buffer = bytes.size();
  source.init_source = jpeg_nothing;
  source.fill_input_buffer = jpeg_out_of_bytes;
  source.skip_input_data = jpeg_skip_bytes;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = jpeg_nothing;
  info.src = &source;
}

int jpeg_orientation(const jpeg_decompress_struct& info) {
  for (jpeg_saved_marker_ptr marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.substr(0, 6) == std::string_view("Exif\0\0", 6)) return exif_orientation(data);
  }
  return 1;
}

// A decompressor that has read the header; destroyed with the object.
struct JpegDecoder {
  jpeg_decompress_struct info{};
  JpegErrors errors{};
  jpeg_source_mgr source{};
  bool created = false;

  ~JpegDecoder() {
    if (created) jpeg_destroy_decompress(&info);
  }

  // The functions that may jump. False: see errors.message.
  bool read_header(std::string_view bytes) {
    info.err = jpeg_prepare_errors(errors);
    if (setjmp(errors.jump) != 0) return false;
    jpeg_create_decompress(&info);
    created = true;
    jpeg_use_bytes(info, source, bytes);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
    return true;
  }

  bool start(J_COLOR_SPACE space) {
    if (setjmp(errors.jump) != 0) return false;
    info.out_color_space = space;
    jpeg_start_decompress(&info);
    return true;
  }

  bool read_rows(std::uint8_t* pixels, std::size_t row_bytes) {
    if (setjmp(errors.jump) != 0) return false;
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + info.output_scanline * row_bytes;
      jpeg_read_scanlines(&info, &row, 1);
    }
    return true;
  }

  [[noreturn]] void throw_error(const std::string& name) const {
    if (errors.manager.msg_code == JERR_INPUT_EOF) {
      fail<DataError>("image: {}: truncated JPEG: the file ends at row {} of {}", name, info.output_scanline,
                      info.image_height);
    }
    fail<DataError>("image: {}: damaged JPEG: {}", name, errors.message);
  }
};

// CMYK as Pillow turns it into RGB. Files hold it inverted (Adobe's habit): 255 is no ink.
Image jpeg_cmyk_to_colour(const Image& cmyk, PixelFormat format) {
  Image image = Image::unset(cmyk.height, cmyk.width, 3);
  const std::size_t red = format == PixelFormat::bgr ? 2 : 0;
  const std::uint8_t* in = cmyk.pixels.data();
  for (std::size_t at = 0; at < image.pixels.size(); at += 3, in += 4) {
    const int light = in[3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - in[c]) * light + 128;
      const int value = light - (((product >> 8) + product) >> 8);
      image.pixels[at + (c == 0 ? red : c == 1 ? 1 : 2 - red)] = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  }
  return image;
}

struct JpegEncoder {
  jpeg_compress_struct info{};
  JpegErrors errors{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  ~JpegEncoder() {
    jpeg_destroy_compress(&info);
    std::free(bytes);  // NOLINT: jpeg_mem_dest allocates with malloc
  }

  bool encode(const Image& image, J_COLOR_SPACE space, int quality) {
    info.err = jpeg_prepare_errors(errors);
    if (setjmp(errors.jump) != 0) return false;
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &bytes, &size);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.input_components = image.channels;
    info.in_color_space = space;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info.next_scanline)));
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    return true;
  }
};

}  // namespace

ImageHeader jpeg_header(std::string_view bytes, const std::string& name) {
  JpegDecoder decoder;
  if (!decoder.read_header(bytes)) decoder.throw_error(name);
  ImageHeader header;
  header.kind = ImageFileKind::jpeg;
  header.stored_size = {static_cast<int>(decoder.info.image_height), static_cast<int>(decoder.info.image_width)};
  header.orientation = jpeg_orientation(decoder.info);
  return header;
}

Image jpeg_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation) {
  JpegDecoder decoder;
  if (!decoder.read_header(bytes)) decoder.throw_error(name);
  check_size(name, decoder.info.image_height, decoder.info.image_width);
  orientation = jpeg_orientation(decoder.info);
  const bool cmyk = decoder.info.num_components == 4;
  const bool gray = decoder.info.num_components == 1 && format == PixelFormat::gray;
  const J_COLOR_SPACE colour = format == PixelFormat::bgr ? JCS_EXT_BGR : JCS_EXT_RGB;
  if (!decoder.start(cmyk ? JCS_CMYK : gray ? JCS_GRAYSCALE : colour)) decoder.throw_error(name);
  Image image = Image::unset(static_cast<int>(decoder.info.output_height),
                             static_cast<int>(decoder.info.output_width), cmyk ? 4 : gray ? 1 : 3);
  if (!decoder.read_rows(image.pixels.data(), image.row_bytes())) decoder.throw_error(name);
  return cmyk ? jpeg_cmyk_to_colour(image, format) : image;
}

std::string jpeg_encode(const Image& image, PixelFormat format, int quality) {
  const J_COLOR_SPACE space = format == PixelFormat::gray   ? JCS_GRAYSCALE
                              : format == PixelFormat::bgr ? JCS_EXT_BGR
                                                           : JCS_EXT_RGB;
  JpegEncoder encoder;
  if (!encoder.encode(image, space, quality)) fail<DataError>("image: cannot write a JPEG: {}", encoder.errors.message);
  return std::string(reinterpret_cast<const char*>(encoder.bytes), encoder.size);
}

}  // namespace fastermask::codec
