// Small picture files of every kind that people have, written by the same libraries that read them.
#pragma once

#include <png.h>
#include <webp/encode.h>

#include <jpeglib.h>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>

#include <cstdint>
#include <string>
#include <vector>

namespace fastermask::format_files {

constexpr int kWidth = 21;
constexpr int kHeight = 13;

// A smooth ramp with an edge: byte `channel` of pixel (x, y), from 0 to 255.
inline std::uint8_t shade(int x, int y, int channel) {
  return static_cast<std::uint8_t>((channel * 40 + x * (5 + channel) + y * 6 + (x > 12 ? 60 : 0)) & 0xFF);
}

// Rows of `channels` bytes a pixel.
inline std::vector<std::string> byte_rows(int channels) {
  std::vector<std::string> rows;
  for (int y = 0; y < kHeight; ++y) {
    rows.emplace_back();
    for (int x = 0; x < kWidth; ++x) {
      for (int c = 0; c < channels; ++c) rows.back() += static_cast<char>(shade(x, y, c));
    }
  }
  return rows;
}

// Rows of 16 bits a channel; every third pixel is below 256.
inline std::vector<std::string> deep_rows(int channels) {
  std::vector<std::string> rows;
  for (int y = 0; y < kHeight; ++y) {
    rows.emplace_back();
    for (int x = 0; x < kWidth; ++x) {
      for (int c = 0; c < channels; ++c) {
        rows.back() += static_cast<char>(x % 3 == 0 ? 0 : shade(y, x, c));
        rows.back() += static_cast<char>(shade(x, y, c));
      }
    }
  }
  return rows;
}

// Rows of `bits` (1, 2, 4) a pixel, packed.
inline std::vector<std::string> packed_rows(int bits) {
  std::vector<std::string> rows;
  for (int y = 0; y < kHeight; ++y) {
    std::string row(static_cast<std::size_t>(kWidth * bits + 7) / 8, '\0');
    for (int x = 0; x < kWidth; ++x) {
      const int value = (x * 3 + y * 5 + x * y) & ((1 << bits) - 1);
      const std::size_t at = static_cast<std::size_t>(x * bits);
      row[at / 8] = static_cast<char>(row[at / 8] | value << (8 - bits - static_cast<int>(at % 8)));
    }
    rows.push_back(row);
  }
  return rows;
}

// "MM" TIFF block with one entry, the orientation.
inline std::string exif_block(int orientation) {
  std::string block("MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19);
  return block + static_cast<char>(orientation) + std::string("\0\0\0\0\0\0", 6);
}

struct PngKind {
  int depth = 8;
  int colour_type = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  bool palette_alpha = false;  // a tRNS chunk
  int orientation = 0;         // > 0: an eXIf chunk
};

inline std::string png_file(const PngKind& kind, std::vector<std::string> rows) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep data, png_size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, kWidth, kHeight, kind.depth, kind.colour_type,
               kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (kind.colour_type == PNG_COLOR_TYPE_PALETTE) {
    std::vector<png_color> palette;
    std::vector<png_byte> alpha;
    for (int i = 0; i < 1 << kind.depth; ++i) {
      palette.push_back({static_cast<png_byte>(i * 37), static_cast<png_byte>(255 - i), static_cast<png_byte>(i * 5)});
      alpha.push_back(static_cast<png_byte>(i * 70));
    }
    png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
    if (kind.palette_alpha) png_set_tRNS(png, info, alpha.data(), static_cast<int>(alpha.size()), nullptr);
  }
  std::string exif = exif_block(kind.orientation);
  if (kind.orientation > 0)
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), reinterpret_cast<png_bytep>(exif.data()));
  png_write_info(png, info);
  std::vector<png_bytep> pointers;
  for (std::string& row : rows) pointers.push_back(reinterpret_cast<png_bytep>(row.data()));
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

struct JpegKind {
  int channels = 3;  // of the rows: 1 gray, 3 RGB, 4 CMYK
  J_COLOR_SPACE rows = JCS_RGB;
  J_COLOR_SPACE stored = JCS_YCbCr;
  int sampling = 2;  // of the first component: 2 halves the colour's resolution
  bool progressive = false;
  int orientation = 0;  // > 0: an EXIF block
};

inline std::string jpeg_file(const JpegKind& kind) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = kWidth;
  info.image_height = kHeight;
  info.input_components = kind.channels;
  info.in_color_space = kind.rows;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, kind.stored);
  jpeg_set_quality(&info, 90, TRUE);
  info.comp_info[0].h_samp_factor = kind.sampling;
  info.comp_info[0].v_samp_factor = kind.sampling;
  if (kind.channels == 4) {
    info.comp_info[3].h_samp_factor = kind.sampling;
    info.comp_info[3].v_samp_factor = kind.sampling;
  }
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  const std::string exif = std::string("Exif\0\0", 6) + exif_block(kind.orientation);
  if (kind.orientation > 0)
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                      static_cast<unsigned>(exif.size()));
  std::vector<std::string> rows = byte_rows(kind.channels);
  for (std::string& row : rows) {
    JSAMPROW pointer = reinterpret_cast<JSAMPROW>(row.data());
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return out;
}

// With an EXIF block in an extended container when `orientation` > 0.
inline std::string webp_file(int channels, bool lossless, int orientation = 0) {
  std::string pixels;
  for (const std::string& row : byte_rows(channels)) pixels += row;
  const auto* data = reinterpret_cast<const std::uint8_t*>(pixels.data());
  std::uint8_t* bytes = nullptr;
  const int stride = kWidth * channels;
  std::size_t size = 0;
  if (channels == 4) {
    size = lossless ? WebPEncodeLosslessRGBA(data, kWidth, kHeight, stride, &bytes)
                    : WebPEncodeRGBA(data, kWidth, kHeight, stride, 80, &bytes);
  } else {
    size = lossless ? WebPEncodeLosslessRGB(data, kWidth, kHeight, stride, &bytes)
                    : WebPEncodeRGB(data, kWidth, kHeight, stride, 80, &bytes);
  }
  std::string out(reinterpret_cast<const char*>(bytes), size);
  WebPFree(bytes);
  if (orientation == 0) return out;
  const auto chunk = [](const char* name, const std::string& content) {
    std::string text = name;
    for (int i = 0; i < 4; ++i) text += static_cast<char>(content.size() >> (8 * i) & 0xFF);
    return text + content + std::string(content.size() & 1, '\0');
  };
  const std::string canvas{8, 0, 0, 0, kWidth - 1, 0, 0, kHeight - 1, 0, 0};
  return chunk("RIFF", "WEBP" + chunk("VP8X", canvas) + out.substr(12) + chunk("EXIF", exif_block(orientation)));
}

struct FormatFile {
  std::string name;
  std::string bytes;
};

inline std::vector<FormatFile> all_format_files() {
  std::vector<FormatFile> files;
  const auto png = [&files](const char* name, const PngKind& kind, const std::vector<std::string>& rows) {
    files.push_back({std::string(name) + ".png", png_file(kind, rows)});
  };
  png("rgb", {}, byte_rows(3));
  png("rgb_interlaced", {8, PNG_COLOR_TYPE_RGB, true}, byte_rows(3));
  png("rgb_16", {16, PNG_COLOR_TYPE_RGB}, deep_rows(3));
  png("rgba", {8, PNG_COLOR_TYPE_RGB_ALPHA}, byte_rows(4));
  png("rgba_16", {16, PNG_COLOR_TYPE_RGB_ALPHA}, deep_rows(4));
  png("gray", {8, PNG_COLOR_TYPE_GRAY}, byte_rows(1));
  png("gray_1", {1, PNG_COLOR_TYPE_GRAY}, packed_rows(1));
  png("gray_2", {2, PNG_COLOR_TYPE_GRAY}, packed_rows(2));
  png("gray_4", {4, PNG_COLOR_TYPE_GRAY}, packed_rows(4));
  png("gray_4_interlaced", {4, PNG_COLOR_TYPE_GRAY, true}, packed_rows(4));
  png("gray_16", {16, PNG_COLOR_TYPE_GRAY}, deep_rows(1));
  png("gray_16_interlaced", {16, PNG_COLOR_TYPE_GRAY, true}, deep_rows(1));
  png("gray_alpha", {8, PNG_COLOR_TYPE_GRAY_ALPHA}, byte_rows(2));
  png("gray_alpha_16", {16, PNG_COLOR_TYPE_GRAY_ALPHA}, deep_rows(2));
  png("palette_1", {1, PNG_COLOR_TYPE_PALETTE}, packed_rows(1));
  png("palette_4", {4, PNG_COLOR_TYPE_PALETTE}, packed_rows(4));
  png("palette", {8, PNG_COLOR_TYPE_PALETTE}, byte_rows(1));
  png("palette_alpha", {8, PNG_COLOR_TYPE_PALETTE, false, true}, byte_rows(1));
  png("palette_2_alpha_interlaced", {2, PNG_COLOR_TYPE_PALETTE, true, true}, packed_rows(2));
  const auto jpeg = [&files](const char* name, const JpegKind& kind) {
    files.push_back({std::string(name) + ".jpg", jpeg_file(kind)});
  };
  jpeg("ycc_420", {});
  jpeg("ycc_444", {3, JCS_RGB, JCS_YCbCr, 1});
  jpeg("progressive", {3, JCS_RGB, JCS_YCbCr, 2, true});
  jpeg("stored_rgb", {3, JCS_RGB, JCS_RGB, 1});
  jpeg("gray", {1, JCS_GRAYSCALE, JCS_GRAYSCALE, 1});
  jpeg("cmyk", {4, JCS_CMYK, JCS_CMYK, 1});
  jpeg("ycck", {4, JCS_CMYK, JCS_YCCK, 2});
  jpeg("ycck_progressive", {4, JCS_CMYK, JCS_YCCK, 1, true});
  files.push_back({"lossy.webp", webp_file(3, false)});
  files.push_back({"lossless.webp", webp_file(3, true)});
  files.push_back({"lossy_alpha.webp", webp_file(4, false)});
  files.push_back({"lossless_alpha.webp", webp_file(4, true)});
  for (int i = 1; i <= 8; ++i) {
    const std::string number = std::to_string(i);
    jpeg(("exif_" + number).c_str(), {3, JCS_RGB, JCS_YCbCr, 1, false, i});
    png(("exif_" + number).c_str(), {8, PNG_COLOR_TYPE_RGB, false, false, i}, byte_rows(3));
    files.push_back({"exif_" + number + ".webp", webp_file(3, true, i)});
  }
  return files;
}

}  // namespace fastermask::format_files
