// Reading and writing picture files: JPEG, PNG and WebP, by content when reading and by ending when writing.
// Decoding gives the bytes that Pillow gives: libjpeg-turbo's default settings, EXIF orientation applied, alpha
// dropped, palettes looked up, 16-bit gray clipped at 255 as convert("RGB") does it. detectron2 data/detection_utils.py
// read_image.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fastermask/structures/image.h"

namespace fastermask {

// Channel order of a decoded picture: BGR and RGB have three channels, L (luma, ITU-R 601) has one.
enum class PixelFormat { bgr, rgb, gray };

// "BGR", "RGB" or "L" (the values of INPUT.FORMAT). Throws ConfigError for anything else.
PixelFormat parse_pixel_format(const std::string& name);

enum class ImageFileKind { jpeg, png, webp };

// What the first bytes of a picture file say, without decoding it.
struct ImageHeader {
  ImageFileKind kind = ImageFileKind::jpeg;
  ImageSize stored_size;  // as stored in the file
  ImageSize size;         // after EXIF orientation: what read_image gives
  int orientation = 1;    // EXIF tag 274: 1 upright, 2..8 flipped or rotated
};

// Pictures of more pixels than this are refused, so that a few hostile bytes cannot take all memory.
inline constexpr std::int64_t kMaxImagePixels = 400'000'000;

// Decodes the picture file at `path`, upright. Throws DataError naming the path when the file is missing, is of an
// unknown kind, is damaged or truncated, or is too large.
Image read_image(const std::string& path, PixelFormat format = PixelFormat::bgr);

// The same for a file already in memory; `name` is what errors call it.
Image decode_image(std::string_view bytes, const std::string& name, PixelFormat format = PixelFormat::bgr);

// A picture of three channels, BGR or RGB as `from` says, in another format. Throws DataError for one of gray pixels.
Image convert_pixels(Image image, PixelFormat from, PixelFormat to);

// Kind, size and orientation from the head of the file. Throws DataError like read_image.
ImageHeader read_image_header(const std::string& path);
ImageHeader decode_image_header(std::string_view bytes, const std::string& name);

// The upright size of a picture file: read_image_header(path).size.
ImageSize read_image_size(const std::string& path);

// True for names that end as picture files we read do (.jpg, .jpeg, .png, .webp; any case).
bool has_image_ending(const std::string& path);

// Writes a picture as JPEG, PNG or WebP, by the ending of `path`; the file appears whole or not at all. Images of three
// channels are taken as `format` says, images of one channel as gray. `quality` (1..100) is for JPEG and WebP.
// Throws DataError for an unknown ending or an empty image.
void write_image(const std::string& path, const Image& image, PixelFormat format = PixelFormat::bgr, int quality = 95);

// The same into memory.
std::string encode_image(const Image& image, ImageFileKind kind, PixelFormat format = PixelFormat::bgr,
                         int quality = 95);

}  // namespace fastermask
