// The decoders and encoders behind image_io.h, one pair a file format. Internal to the data layer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fastermask/data/image_io.h"

namespace fastermask::codec {

// EXIF orientation (1..8) of a TIFF-shaped block, as JPEG, PNG and WebP embed it; 1 when there is none or it is
// damaged.
int exif_orientation(std::string_view tiff);

// The picture brought upright.
Image orient(Image image, int orientation);

// Three-channel `image` (order `from`) as gray, Pillow's "L": (19595 R + 38470 G + 7471 B + 32768) >> 16.
Image to_gray(const Image& image, PixelFormat from);

// Refuses sizes over kMaxImagePixels and empty ones.
void check_size(const std::string& name, std::int64_t height, std::int64_t width);

// All throw DataError "image: NAME: ...". Decoders give the picture as stored (not oriented), in bgr or rgb; gray is
// made from rgb by the caller except where the file itself is gray.
ImageHeader jpeg_header(std::string_view bytes, const std::string& name);
Image jpeg_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation);
std::string jpeg_encode(const Image& image, PixelFormat format, int quality);

ImageHeader png_header(std::string_view bytes, const std::string& name);
Image png_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation);
// The numbers of a PNG as stored, one a pixel: gray, palette index, or R + 256 G + 65536 B; alpha is dropped.
std::vector<std::uint32_t> png_values(std::string_view bytes, const std::string& name, ImageSize& size);
std::string png_encode(const Image& image, PixelFormat format);

ImageHeader webp_header(std::string_view bytes, const std::string& name);
Image webp_decode(std::string_view bytes, const std::string& name, PixelFormat format, int& orientation);
std::string webp_encode(const Image& image, PixelFormat format, int quality);

}  // namespace fastermask::codec
