// WebP through libwebp; alpha is dropped, animations are refused. EXIF lies in a chunk of the RIFF container.
#include <webp/decode.h>
#include <webp/encode.h>

#include "fastermask/base/error.h"
#include "fastermask/data/image_codecs.h"

namespace fastermask::codec {
namespace {

std::uint32_t webp_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

int webp_orientation(std::string_view bytes) {
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::size_t size = webp_u32(bytes, at + 4);
    if (size > bytes.size() - at - 8) return 1;
    if (bytes.substr(at, 4) == "EXIF") return exif_orientation(bytes.substr(at + 8, size));
    at += 8 + size + (size & 1);
  }
  return 1;
}

const std::uint8_t* webp_data(std::string_view bytes) { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

}  // namespace

ImageHeader webp_header(std::string_view bytes, const std::string& name) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(webp_data(bytes), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) fail<DataError>("image: {}: truncated WebP", name);
  if (status != VP8_STATUS_OK) fail<DataError>("image: {}: damaged WebP", name);
  if (features.has_animation != 0) fail<DataError>("image: {}: an animated WebP; only still pictures are read", name);
  ImageHeader header;
  header.kind = ImageFileKind::webp;
  header.stored_size = {features.height, features.width};
  header.orientation = webp_orientation(bytes);
  return header;
}

Image webp_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation) {
  const ImageHeader header = webp_header(bytes, name);
  check_size(name, header.stored_size.height, header.stored_size.width);
  Image image = Image::unset(header.stored_size.height, header.stored_size.width, 3);
  const auto decode = format == PixelFormat::bgr ? WebPDecodeBGRInto : WebPDecodeRGBInto;
  if (decode(webp_data(bytes), bytes.size(), image.pixels.data(), image.pixels.size(),
             static_cast<int>(image.row_bytes())) == nullptr) {
    fail<DataError>("image: {}: damaged or truncated WebP", name);
  }
  orientation = header.orientation;
  return image;
}

std::string webp_encode(const Image& image, PixelFormat format, int quality) {
  Image colour = image;
  if (format == PixelFormat::gray) {
    colour = Image(image.height, image.width, 3);
    for (std::size_t i = 0; i < colour.pixels.size(); ++i) colour.pixels[i] = image.pixels[i / 3];
  }
  std::uint8_t* bytes = nullptr;
  const auto encode = format == PixelFormat::bgr ? WebPEncodeBGR : WebPEncodeRGB;
  const std::size_t size = encode(colour.pixels.data(), colour.width, colour.height,
                                  static_cast<int>(colour.row_bytes()), static_cast<float>(quality), &bytes);
  const std::string out(reinterpret_cast<const char*>(bytes), size);
  WebPFree(bytes);
  if (size == 0) fail<DataError>("image: cannot write a WebP of {}x{} pixels", image.width, image.height);
  return out;
}

}  // namespace fastermask::codec
