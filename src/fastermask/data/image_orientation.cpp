// EXIF orientation, gray conversion and the size limit: what all picture formats share.
#include <algorithm>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/data/image_codecs.h"
#include "fastermask/kernels/resize.h"

namespace fastermask::codec {
namespace {

// Whole numbers from a TIFF block of either byte order; 0 beyond its end.
class TiffReader {
 public:
  explicit TiffReader(std::string_view bytes) : bytes_(bytes), little_(bytes.substr(0, 2) == "II") {}

  std::uint32_t u16(std::size_t at) const {
    return little_ ? byte(at) | byte(at + 1) << 8 : byte(at) << 8 | byte(at + 1);
  }
  std::uint32_t u32(std::size_t at) const {
    return little_ ? u16(at) | u16(at + 2) << 16 : u16(at) << 16 | u16(at + 2);
  }

 private:
  std::uint32_t byte(std::size_t at) const { return at < bytes_.size() ? static_cast<unsigned char>(bytes_[at]) : 0; }

  std::string_view bytes_;
  bool little_;
};

constexpr std::uint32_t kOrientationTag = 274;

// Source pixel of output pixel (y, x), for the orientations that swap height and width (5..8).
std::size_t turned_pixel(int orientation, int y, int x, int height, int width) {
  const bool from_bottom = orientation == 6 || orientation == 7;
  const bool from_right = orientation == 7 || orientation == 8;
  const int source_y = from_bottom ? height - 1 - x : x;
  const int source_x = from_right ? width - 1 - y : y;
  return static_cast<std::size_t>(source_y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(source_x);
}

Image turn(const Image& image, int orientation) {
  Image turned = Image::unset(image.width, image.height, image.channels);
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  for (int y = 0; y < turned.height; ++y) {
    std::uint8_t* out = turned.row(y);
    for (int x = 0; x < turned.width; ++x, out += channels) {
      const std::size_t source = turned_pixel(orientation, y, x, image.height, image.width);
      std::memcpy(out, image.pixels.data() + source * channels, channels);
    }
  }
  return turned;
}

}  // namespace

int exif_orientation(std::string_view tiff) {
  if (tiff.substr(0, 6) == std::string_view("Exif\0\0", 6)) tiff.remove_prefix(6);
  if (tiff.size() < 8 || (tiff.substr(0, 2) != "II" && tiff.substr(0, 2) != "MM")) return 1;
  const TiffReader reader(tiff);
  const std::size_t directory = reader.u32(4);
  const std::size_t entries = reader.u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (reader.u16(entry) != kOrientationTag) continue;
    const bool is_long = reader.u16(entry + 2) == 4;
    const std::uint32_t value = is_long ? reader.u32(entry + 8) : reader.u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image orient(Image image, int orientation) {
  switch (orientation) {
    case 2: flip_horizontal(image); break;
    case 3:
      flip_horizontal(image);
      flip_vertical(image);
      break;
    case 4: flip_vertical(image); break;
    case 5:
    case 6:
    case 7:
    case 8: return turn(image, orientation);
    default: break;
  }
  return image;
}

Image to_gray(const Image& image, PixelFormat from) {
  Image gray = Image::unset(image.height, image.width, 1);
  const std::size_t red = from == PixelFormat::rgb ? 0 : 2;
  const std::uint8_t* in = image.pixels.data();
  for (std::uint8_t& out : gray.pixels) {
    out = static_cast<std::uint8_t>((in[red] * 19595u + in[1] * 38470u + in[2 - red] * 7471u + 0x8000u) >> 16);
    in += 3;
  }
  return gray;
}

void check_size(const std::string& name, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1) fail<DataError>("image: {}: the size is {}x{} pixels", name, width, height);
  if (height > kMaxImagePixels / width) {
    fail<DataError>("image: {}: {}x{} pixels are more than the limit of {} million", name, width, height,
                    kMaxImagePixels / 1'000'000);
  }
}

}  // namespace fastermask::codec
