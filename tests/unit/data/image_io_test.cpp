// Reading and writing picture files.
#include "fastermask/data/image_io.h"

#include <gmock/gmock.h>
#include <png.h>

#include <jpeglib.h>
#include <cstdio>  // jpeglib.h needs FILE

#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing_support::message_of;
using testing_support::position_image;
using testing_support::TemporaryFolder;

// A JPEG with an EXIF block that says `orientation`.
std::string jpeg_with_orientation(const Image& image, int orientation) {
  const std::string jpeg = encode_image(image, ImageFileKind::jpeg);
  std::string exif("Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01", 6 + 8 + 2 + 8);
  exif += std::string("\0", 1) + static_cast<char>(orientation) + std::string("\0\0\0\0\0\0", 6);
  std::string marker("\xFF\xE1", 2);
  marker += static_cast<char>((exif.size() + 2) >> 8);
  marker += static_cast<char>((exif.size() + 2) & 0xFF);
  return jpeg.substr(0, 2) + marker + exif + jpeg.substr(2);
}

// A PNG of 8-bit or 16-bit rows of any colour type.
std::string png_of(int width, int height, int depth, int colour_type, const std::vector<std::string>& rows,
                   const std::vector<png_color>& palette = {}) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep data, png_size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), depth, colour_type,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  png_write_info(png, info);
  for (const std::string& row : rows) png_write_row(png, reinterpret_cast<png_const_bytep>(row.data()));
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

// A CMYK JPEG of one colour, quality 100.
std::string cmyk_jpeg(std::uint8_t c, std::uint8_t m, std::uint8_t y, std::uint8_t k) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = 8;
  info.image_height = 8;
  info.input_components = 4;
  info.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> row;
  for (int x = 0; x < 8; ++x) row.insert(row.end(), {c, m, y, k});
  while (info.next_scanline < info.image_height) {
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return out;
}

TEST(ImageIo, PngKeepsEveryPixelInBothChannelOrders) {
  const TemporaryFolder folder;
  const Image image = position_image(37, 53);
  write_image(folder / "a.png", image);
  EXPECT_EQ(read_image(folder / "a.png").pixels, image.pixels);
  const Image rgb = read_image(folder / "a.png", PixelFormat::rgb);
  EXPECT_EQ(rgb.pixels[0], image.pixels[2]);
  EXPECT_EQ(rgb.pixels[2], image.pixels[0]);
  const Image gray = read_image(folder / "a.png", PixelFormat::gray);
  ASSERT_EQ(gray.channels, 1);
  const std::uint8_t* pixel = image.row(20) + 3 * 30;  // B 30, G 20, R 50
  EXPECT_EQ(gray.row(20)[30], (19595 * pixel[2] + 38470 * pixel[1] + 7471 * pixel[0] + 32768) >> 16);
}

TEST(ImageIo, JpegAndWebpComeBackNearlyTheSame) {
  const TemporaryFolder folder;
  Image image(64, 96);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(40 + i / 200);
  for (const char* name : {"a.jpg", "a.webp"}) {
    write_image(folder / name, image);
    const Image back = read_image(folder / name);
    ASSERT_EQ(back.size(), image.size());
    for (std::size_t i = 0; i < image.pixels.size(); ++i) ASSERT_NEAR(back.pixels[i], image.pixels[i], 8) << name;
    EXPECT_EQ(read_image_size(folder / name), image.size());
  }
}

TEST(ImageIo, ExifOrientationTurnsThePictureUpright) {
  // Blocks of 8x8 pixels survive JPEG: the stored picture is 3 blocks wide and 2 high, gray values
  //   10 60 110
  //  160 200 240   and each orientation must show them as listed, row by row.
  Image stored(16, 24, 1);
  const int values[2][3] = {{10, 60, 110}, {160, 200, 240}};
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 24; ++x) stored.row(y)[x] = static_cast<std::uint8_t>(values[y / 8][x / 8]);
  }
  const std::vector<std::vector<int>> upright = {{10, 60, 110, 160, 200, 240}, {110, 60, 10, 240, 200, 160},
                                                 {240, 200, 160, 110, 60, 10}, {160, 200, 240, 10, 60, 110},
                                                 {10, 160, 60, 200, 110, 240}, {160, 10, 200, 60, 240, 110},
                                                 {240, 110, 200, 60, 160, 10}, {110, 240, 60, 200, 10, 160}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string jpeg = jpeg_with_orientation(stored, orientation);
    const Image image = decode_image(jpeg, "test.jpg", PixelFormat::gray);
    const ImageHeader header = decode_image_header(jpeg, "test.jpg");
    EXPECT_EQ(header.orientation, orientation);
    EXPECT_EQ(header.size, image.size());
    EXPECT_EQ(image.width, orientation >= 5 ? 16 : 24);
    std::size_t block = 0;
    for (int y = 4; y < image.height; y += 8) {
      for (int x = 4; x < image.width; x += 8) {
        EXPECT_NEAR(image.row(y)[x], upright[static_cast<std::size_t>(orientation - 1)][block++], 4)
            << "orientation " << orientation << " at " << x << "," << y;
      }
    }
  }
}

TEST(ImageIo, GrayPaletteAlphaAndSixteenBitPngsAreRead) {
  const Image gray = decode_image(png_of(2, 1, 8, PNG_COLOR_TYPE_GRAY, {std::string("\x10\xF0")}), "gray");
  EXPECT_THAT(gray.pixels, testing::ElementsAre(0x10, 0x10, 0x10, 0xF0, 0xF0, 0xF0));
  const Image bits = decode_image(png_of(2, 1, 1, PNG_COLOR_TYPE_GRAY, {std::string("\x40")}), "bits");
  EXPECT_THAT(bits.pixels, testing::ElementsAre(0, 0, 0, 255, 255, 255));
  const Image palette = decode_image(
      png_of(2, 1, 8, PNG_COLOR_TYPE_PALETTE, {std::string("\x01\x00", 2)}, {{1, 2, 3}, {7, 8, 9}}), "palette");
  EXPECT_THAT(palette.pixels, testing::ElementsAre(9, 8, 7, 3, 2, 1));
  const Image alpha =
      decode_image(png_of(1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {std::string("\x01\x02\x03\x00", 4)}), "alpha");
  EXPECT_THAT(alpha.pixels, testing::ElementsAre(3, 2, 1));
  const Image deep =
      decode_image(png_of(1, 1, 16, PNG_COLOR_TYPE_RGB, {std::string("\x11\x99\x22\x99\x33\x99", 6)}), "deep");
  EXPECT_THAT(deep.pixels, testing::ElementsAre(0x33, 0x22, 0x11));
}

TEST(ImageIo, CmykJpegsAreTakenAsInverted) {
  // Stored 255 means no ink: white stays white; no light in K gives black; C = 0 (full cyan) takes away red.
  EXPECT_THAT(decode_image(cmyk_jpeg(255, 255, 255, 255), "white").pixels, testing::Each(255));
  EXPECT_THAT(decode_image(cmyk_jpeg(255, 255, 255, 0), "black").pixels, testing::Each(0));
  const Image cyan = decode_image(cmyk_jpeg(0, 255, 255, 255), "cyan");
  EXPECT_NEAR(cyan.pixels[2], 0, 2);
  EXPECT_NEAR(cyan.pixels[1], 255, 2);
  EXPECT_NEAR(cyan.pixels[0], 255, 2);
}

TEST(ImageIo, TruncatedFilesAreRefused) {
  const Image image = position_image(64, 64);
  const std::string jpeg = encode_image(image, ImageFileKind::jpeg);
  EXPECT_THAT(message_of<DataError>([&] { decode_image(jpeg.substr(0, jpeg.size() / 2), "half.jpg"); }),
              HasSubstr("image: half.jpg: truncated JPEG: the file ends at row "));
  const std::string png = encode_image(image, ImageFileKind::png);
  EXPECT_EQ(message_of<DataError>([&] { decode_image(png.substr(0, png.size() / 2), "half.png"); }),
            "image: half.png: damaged PNG: the file is truncated");
  const std::string webp = encode_image(image, ImageFileKind::webp);
  EXPECT_EQ(message_of<DataError>([&] { decode_image(webp.substr(0, webp.size() / 2), "half.webp"); }),
            "image: half.webp: damaged or truncated WebP");
}

TEST(ImageIo, EveryShorterFileGivesAnErrorAndNoCrash) {
  const Image image = position_image(24, 24);
  for (const ImageFileKind kind : {ImageFileKind::jpeg, ImageFileKind::png}) {
    const std::string bytes = encode_image(image, kind);
    for (std::size_t size = 0; size + 13 < bytes.size(); ++size) {
      EXPECT_THROW(decode_image(std::string_view(bytes).substr(0, size), "cut"), DataError) << size;
    }
  }
}

TEST(ImageIo, ChangedBytesNeverCrashTheDecoder) {
  const Image image = position_image(24, 24);
  for (const ImageFileKind kind : {ImageFileKind::jpeg, ImageFileKind::png, ImageFileKind::webp}) {
    const std::string bytes = encode_image(image, kind);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ 0x5A);
      try {
        decode_image(changed, "changed");
      } catch (const DataError&) {
      }
    }
  }
}

TEST(ImageIo, ErrorsNameTheFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<DataError>([&] { read_image(folder / "none.jpg"); }),
            "image: " + (folder / "none.jpg") + ": no such file");
  EXPECT_EQ(message_of<DataError>([&] { read_image_size(folder / "none.jpg"); }),
            "image: " + (folder / "none.jpg") + ": no such file");
  EXPECT_EQ(message_of<DataError>([&] { decode_image("", "a.jpg"); }), "image: a.jpg: the file is empty");
  EXPECT_EQ(message_of<DataError>([&] { decode_image("GIF89a", "a.gif"); }),
            "image: a.gif: not a JPEG, PNG or WebP file (it begins with bytes 47 49)");
  EXPECT_EQ(
      message_of<DataError>([&] { write_image(folder / "a.bmp", Image(2, 2)); }),
      "image: " + (folder / "a.bmp") + ": cannot write this kind; the name must end in .jpg, .jpeg, .png or .webp");
  EXPECT_EQ(message_of<DataError>([&] { write_image(folder / "a.png", Image()); }),
            "image: cannot write an empty picture");
  EXPECT_EQ(message_of<ConfigError>([&] { parse_pixel_format("YUV"); }),
            "config: INPUT.FORMAT must be BGR, RGB or L, got 'YUV'");
}

TEST(ImageIo, HugePicturesAreRefusedBeforeMemoryIsTaken) {
  std::string jpeg = encode_image(Image(8, 8), ImageFileKind::jpeg);
  const std::size_t frame = jpeg.find("\xFF\xC0");  // marker, length, depth, height, width
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  EXPECT_EQ(message_of<DataError>([&] { decode_image(jpeg, "huge.jpg"); }),
            "image: huge.jpg: 65500x65500 pixels are more than the limit of 400 million");
}

}  // namespace
}  // namespace fastermask
