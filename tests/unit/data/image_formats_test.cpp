// Every kind of picture file decodes to the numbers that Pillow gives, and a damaged one to an error that names it.
#include <gmock/gmock.h>

#include <map>

#include "fastermask/data/image_io.h"
#include "unit/data/data_fixture.h"
#include "unit/data/format_files.h"

namespace fastermask {
namespace {

using format_files::all_format_files;
using format_files::FormatFile;
using testing::HasSubstr;
using testing::StartsWith;

std::uint64_t fnv_hash(const void* data, std::size_t size) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037u;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  return hash;
}

struct PillowPicture {
  const char* file;
  std::uint64_t file_hash;  // of the file's bytes, when it was given to Pillow
  ImageSize size;
  std::uint64_t rgb_hash;  // of ImageOps.exif_transpose(Image.open(file)).convert("RGB").tobytes()
};

// Recorded with Pillow 9.4.0 (Debian 12) from the files of format_files.h.
const std::vector<PillowPicture>& pillow_pictures() {
  static const std::vector<PillowPicture> pictures = {
      {"rgb.png", 0xd0c32761f6b61bb0u, {13, 21}, 0x6b6f1914c2e261abu},
      {"rgb_interlaced.png", 0x44b3893a5e1292efu, {13, 21}, 0x6b6f1914c2e261abu},
      {"rgb_16.png", 0xa58ea8b46879d580u, {13, 21}, 0x4722286b22a00049u},
      {"rgba.png", 0xdf4367d08a4a931eu, {13, 21}, 0x6b6f1914c2e261abu},
      {"rgba_16.png", 0xfc94bcd899892f03u, {13, 21}, 0x4722286b22a00049u},
      {"gray.png", 0x96c18fc747d45d84u, {13, 21}, 0x5e33a1577a0bfcefu},
      {"gray_1.png", 0xae4bdabbad4bdc91u, {13, 21}, 0xa73168e03c9e27f7u},
      {"gray_2.png", 0x27f91445a4bd646fu, {13, 21}, 0x2e811897d9dffd63u},
      {"gray_4.png", 0x1c90f22735b8a942u, {13, 21}, 0x4ccbfcd375b2fc03u},
      {"gray_4_interlaced.png", 0xc7b4ebdf00004931u, {13, 21}, 0x4ccbfcd375b2fc03u},
      {"gray_16.png", 0x769598a06eb36d6fu, {13, 21}, 0xb3c023163e02c022u},
      {"gray_16_interlaced.png", 0xa546b13845c4de22u, {13, 21}, 0xb3c023163e02c022u},
      {"gray_alpha.png", 0x1cb64f1c282af123u, {13, 21}, 0x5e33a1577a0bfcefu},
      {"gray_alpha_16.png", 0x94cd42bc2b114f23u, {13, 21}, 0xa21800ed5d867d29u},
      {"palette_1.png", 0xa0ec6289d31d0b71u, {13, 21}, 0x326f779a1204f350u},
      {"palette_4.png", 0x40903d03eed12ae7u, {13, 21}, 0x379f9f73410e9698u},
      {"palette.png", 0x4cda660294291776u, {13, 21}, 0xfbe47d101eab5548u},
      {"palette_alpha.png", 0xb8bff0f20e4a9a41u, {13, 21}, 0xfbe47d101eab5548u},
      {"palette_2_alpha_interlaced.png", 0xed191b3471708f66u, {13, 21}, 0xdedf199b3b549400u},
      {"ycc_420.jpg", 0x9e56160ed4adf84cu, {13, 21}, 0x99d94fa5dae13d6bu},
      {"ycc_444.jpg", 0xbafb6ff543a9bbeeu, {13, 21}, 0xa60c31d7f5508ce2u},
      {"progressive.jpg", 0xc57b2a2cbace4020u, {13, 21}, 0x99d94fa5dae13d6bu},
      {"stored_rgb.jpg", 0x32404bfacb6e8cf5u, {13, 21}, 0x7220a8b0cfce2466u},
      {"gray.jpg", 0xa74c5713c55bc972u, {13, 21}, 0xb1c082e4396f3a25u},
      {"cmyk.jpg", 0x41c2ddc188e2f183u, {13, 21}, 0x612051194724ba94u},
      {"ycck.jpg", 0xcdad3ea1409ddfefu, {13, 21}, 0x62682855b7c4a5c6u},
      {"ycck_progressive.jpg", 0x4f037ee247e56b79u, {13, 21}, 0x1628b3250931e8e4u},
      {"lossy.webp", 0x838b36c02ada8fb6u, {13, 21}, 0x771fa0eb1a65dc40u},
      {"lossless.webp", 0x6ca6a6a2e7b55562u, {13, 21}, 0x6b6f1914c2e261abu},
      {"lossy_alpha.webp", 0xd84aeadd4a3174b7u, {13, 21}, 0x5ba4c7e6d8c7721au},
      {"lossless_alpha.webp", 0x9c3fe9687736fe17u, {13, 21}, 0xb94e3d04e0335e2fu},
      {"exif_1.jpg", 0x94c2c9d91d7ca135u, {13, 21}, 0xa60c31d7f5508ce2u},
      {"exif_1.png", 0xc5cefd2c9c687f68u, {13, 21}, 0x6b6f1914c2e261abu},
      {"exif_1.webp", 0x2f78c33ddba3841fu, {13, 21}, 0x6b6f1914c2e261abu},
      {"exif_2.jpg", 0x2ef55c723d834696u, {13, 21}, 0xb8740ad11d463896u},
      {"exif_2.png", 0xef520798a297fa5eu, {13, 21}, 0x674197a5b7b5d2f3u},
      {"exif_2.webp", 0xf4cb3ec82d7756fau, {13, 21}, 0x674197a5b7b5d2f3u},
      {"exif_3.jpg", 0xa26e472128f345f7u, {13, 21}, 0xa506c0a1f76bf56au},
      {"exif_3.png", 0x1929c7ed2b654880u, {13, 21}, 0xaa0436be5e7d4163u},
      {"exif_3.webp", 0xba1dba527f4b29d5u, {13, 21}, 0xaa0436be5e7d4163u},
      {"exif_4.jpg", 0x6ce355791357f068u, {13, 21}, 0xf3c7759ee237b1ceu},
      {"exif_4.png", 0xee4fe1347f97ae62u, {13, 21}, 0x091e9dfa7ba7059bu},
      {"exif_4.webp", 0x54dc598a428065d8u, {13, 21}, 0x091e9dfa7ba7059bu},
      {"exif_5.jpg", 0xeb60fb3090588851u, {21, 13}, 0xe9d228d272999feau},
      {"exif_5.png", 0x8b680559b89dccb8u, {21, 13}, 0xf50897aee26382dbu},
      {"exif_5.webp", 0x1a2ed514945438b3u, {21, 13}, 0xf50897aee26382dbu},
      {"exif_6.jpg", 0x8ab438bce0875e42u, {21, 13}, 0xde9e22d19cb7bffau},
      {"exif_6.png", 0x150925a4e17386eeu, {21, 13}, 0x09bf77c33c3a14dbu},
      {"exif_6.webp", 0xdf81509ee6280b8eu, {21, 13}, 0x09bf77c33c3a14dbu},
      {"exif_7.jpg", 0xea42b13ac9474023u, {21, 13}, 0x3a37eb65e98cd66au},
      {"exif_7.png", 0x1fc91f4694eb2188u, {21, 13}, 0x3320cfe639da9e93u},
      {"exif_7.webp", 0xa4d3cc2937fbde69u, {21, 13}, 0x3320cfe639da9e93u},
      {"exif_8.jpg", 0x171c58ce6556e614u, {21, 13}, 0xb2becc8ec8ec7d0au},
      {"exif_8.png", 0xfe3829b23897cc40u, {21, 13}, 0x03436649fe6d2503u},
      {"exif_8.webp", 0x3f926b60fb311a6cu, {21, 13}, 0x03436649fe6d2503u},
  };
  return pictures;
}

// Whether the format is lossless: then the pixels are those given to Pillow, however the library packs them.
bool keeps_every_pixel(const std::string& name) {
  const bool is_webp = name.substr(name.rfind('.')) == ".webp";
  return name.substr(name.rfind('.')) == ".png" || (is_webp && name.compare(0, 5, "lossy") != 0);
}

TEST(ImageFormats, EveryKindDecodesToPillowsBytes) {
  const std::vector<FormatFile> files = all_format_files();
  ASSERT_EQ(files.size(), pillow_pictures().size());
  std::vector<std::string> other_files;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const PillowPicture& expected = pillow_pictures()[i];
    ASSERT_EQ(files[i].name, expected.file);
    const Image image = decode_image(files[i].bytes, files[i].name, PixelFormat::rgb);
    EXPECT_EQ(image.size(), expected.size) << files[i].name;
    EXPECT_EQ(decode_image_header(files[i].bytes, files[i].name).size, expected.size) << files[i].name;
    if (!keeps_every_pixel(files[i].name) &&
        fnv_hash(files[i].bytes.data(), files[i].bytes.size()) != expected.file_hash) {
      other_files.push_back(files[i].name);
      continue;
    }
    EXPECT_EQ(fnv_hash(image.pixels.data(), image.pixels.size()), expected.rgb_hash) << files[i].name;
  }
  // Another version of libjpeg or libwebp may lose other bits of the same pixels; the comparison then needs new hashes.
  if (!other_files.empty())
    GTEST_SKIP() << other_files.size() << " lossy files are not the recorded ones: " << other_files[0];
}

TEST(ImageFormats, TheChannelOrdersAgree) {
  for (const FormatFile& file : all_format_files()) {
    const Image rgb = decode_image(file.bytes, file.name, PixelFormat::rgb);
    const Image bgr = decode_image(file.bytes, file.name, PixelFormat::bgr);
    const Image gray = decode_image(file.bytes, file.name, PixelFormat::gray);
    ASSERT_EQ(bgr.size(), rgb.size());
    ASSERT_EQ(gray.size(), rgb.size());
    ASSERT_EQ(gray.channels, 1);
    for (std::size_t i = 0; i < gray.pixels.size(); ++i) {
      const std::uint8_t* a = &rgb.pixels[3 * i];
      const std::uint8_t* b = &bgr.pixels[3 * i];
      ASSERT_TRUE(a[0] == b[2] && a[1] == b[1] && a[2] == b[0]) << file.name << " pixel " << i;
      if (file.name == "gray.jpg" || file.name.substr(0, 4) == "gray") ASSERT_EQ(gray.pixels[i], a[0]) << file.name;
    }
  }
}

TEST(ImageFormats, SixteenBitGrayIsClippedAndColourKeepsTheHighByte) {
  const std::vector<std::string> gray = format_files::deep_rows(1);
  const Image image =
      decode_image(format_files::png_file({16, PNG_COLOR_TYPE_GRAY}, gray), "deep.png", PixelFormat::gray);
  for (int x = 0; x < format_files::kWidth; ++x) {
    const std::size_t at = 2 * static_cast<std::size_t>(x);
    EXPECT_EQ(image.row(5)[x], gray[5][at] != 0 ? 255 : static_cast<std::uint8_t>(gray[5][at + 1]));
  }
  const std::vector<std::string> rgb = format_files::deep_rows(3);
  const Image colour =
      decode_image(format_files::png_file({16, PNG_COLOR_TYPE_RGB}, rgb), "deep.png", PixelFormat::rgb);
  EXPECT_EQ(colour.row(7)[3 * 4 + 1], static_cast<std::uint8_t>(rgb[7][2 * (3 * 4 + 1)]));
}

TEST(ImageFormats, AnExifChunkBehindThePixelsCounts) {
  const std::string before =
      format_files::png_file({8, PNG_COLOR_TYPE_RGB, false, false, 6}, format_files::byte_rows(3));
  const std::size_t at = before.find("eXIf") - 4;
  const std::string chunk = before.substr(at, 12 + format_files::exif_block(6).size());
  std::string behind = before;
  behind.erase(at, chunk.size());
  behind.insert(behind.find("IEND") - 4, chunk);
  EXPECT_EQ(decode_image_header(behind, "a.png").orientation, 6);
  EXPECT_EQ(decode_image(behind, "a.png").pixels, decode_image(before, "a.png").pixels);
}

TEST(ImageFormats, FilesCutShortAreErrorsThatNameTheFileAndWhatIsWrong) {
  for (const FormatFile& file : all_format_files()) {
    for (std::size_t fiftieth = 0; fiftieth < 50; ++fiftieth) {
      const std::string_view cut = std::string_view(file.bytes).substr(0, file.bytes.size() * fiftieth / 50);
      try {
        const Image image = decode_image(cut, file.name);
        // Only what lies behind the pixels may be missing: EXIF blocks, checksums, end marks.
        EXPECT_GE(fiftieth, file.name.substr(0, 5) == "exif_" ? 25u : 46u) << file.name;
        EXPECT_GT(image.pixels.size(), 0u);
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), StartsWith("image: " + file.name + ": ")) << fiftieth;
        const std::string what = error.what();
        EXPECT_TRUE(what.find("truncated") != std::string::npos || what.find("damaged") != std::string::npos ||
                    what.find("empty") != std::string::npos || what.find("not a JPEG") != std::string::npos)
            << what;
      }
    }
  }
}

TEST(ImageFormats, FlippedBytesNeverDoMoreThanThrow) {
  for (const FormatFile& file : all_format_files()) {
    for (std::size_t i = 0; i < file.bytes.size(); ++i) {
      for (const int mask : {0x01, 0x80, 0xFF}) {
        std::string changed = file.bytes;
        changed[i] = static_cast<char>(changed[i] ^ mask);
        try {
          decode_image(changed, file.name);
        } catch (const DataError& error) {
          ASSERT_THAT(error.what(), StartsWith("image: " + file.name + ": "));
        }
      }
    }
  }
}

TEST(ImageFormats, AFileTooShortForItsSizeTakesNoMemory) {
  std::string png = format_files::png_file({}, format_files::byte_rows(3));
  png.replace(16, 8, std::string("\0\0\x4E\x20\0\0\x4E\x20", 8));  // 20000x20000
  png.replace(29, 4, std::string("\x6C\x12\xD1\x6E", 4));          // the checksum of this header
  EXPECT_THAT(testing_support::message_of<DataError>([&] { decode_image(png, "short.png"); }),
              HasSubstr("image: short.png: damaged PNG: "));
}

}  // namespace
}  // namespace fastermask
