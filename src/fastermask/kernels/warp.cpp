#include "fastermask/kernels/warp.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

constexpr int kPlaceBits = 10;    // of a place in fixed point
constexpr int kFractionBits = 5;  // of them kept to weigh neighbours
constexpr int kFractionShift = kPlaceBits - kFractionBits;
constexpr int kFractions = 1 << kFractionBits;
constexpr int kLargestSide = 32767;

void check_warp_size(ImageSize size, const char* what) {
  FASTERMASK_CHECK(size.height > 0 && size.width > 0 && size.height <= kLargestSide && size.width <= kLargestSide,
                   "warp: the {} must have sides from 1 to {}, got {} x {}", what, kLargestSide, size.height,
                   size.width);
}

// OpenCV's order of operations: the last bits matter.
AffineMap inverse_map(const AffineMap& map) {
  double determinant = map[0] * map[4] - map[1] * map[3];
  determinant = determinant != 0 ? 1.0 / determinant : 0;
  AffineMap inverse{};
  inverse[0] = map[4] * determinant;
  inverse[1] = map[1] * -determinant;
  inverse[3] = map[3] * -determinant;
  inverse[4] = map[0] * determinant;
  inverse[2] = -inverse[0] * map[2] - inverse[1] * map[5];
  inverse[5] = -inverse[3] * map[2] - inverse[4] * map[5];
  return inverse;
}

int fixed_place(double place) {
  return static_cast<int>(std::lrint(std::clamp(place * (1 << kPlaceBits), -2147483648.0, 2147483647.0)));
}

// Source places of result pixels in fixed point: (x_of_column[x] + x_of_row[y], y_of_column[x] + y_of_row[y]), the sum
// with wrap-around, as OpenCV adds them.
struct SourcePlaces {
  std::vector<std::uint32_t> x_of_column, y_of_column;  // [width]
  std::vector<std::uint32_t> x_of_row, y_of_row;        // [height], with half a step added for rounding

  SourcePlaces(const AffineMap& map, ImageSize size, int half_step) {
    const AffineMap inverse = inverse_map(map);
    for (int x = 0; x < size.width; ++x) {
      x_of_column.push_back(static_cast<std::uint32_t>(fixed_place(inverse[0] * x)));
      y_of_column.push_back(static_cast<std::uint32_t>(fixed_place(inverse[3] * x)));
    }
    const auto step = static_cast<std::uint32_t>(half_step);
    for (int y = 0; y < size.height; ++y) {
      x_of_row.push_back(static_cast<std::uint32_t>(fixed_place(inverse[1] * y + inverse[2])) + step);
      y_of_row.push_back(static_cast<std::uint32_t>(fixed_place(inverse[4] * y + inverse[5])) + step);
    }
  }

  int x(std::size_t column, std::size_t row) const { return static_cast<int>(x_of_column[column] + x_of_row[row]); }
  int y(std::size_t column, std::size_t row) const { return static_cast<int>(y_of_column[column] + y_of_row[row]); }
};

// Blends the four pixels at source (x, y), (x + 1, y), ..., those beyond the source being 0.
void blend_at_border(const Image& source, int x, int y, const int (&weights)[4], std::uint8_t* out) {
  for (int c = 0; c < source.channels; ++c) {
    int sum = 1 << (2 * kFractionBits - 1);
    for (int corner = 0; corner < 4; ++corner) {
      const int cx = x + (corner & 1);
      const int cy = y + (corner >> 1);
      if (cx < 0 || cy < 0 || cx >= source.width || cy >= source.height) continue;
      sum += weights[corner] * source.row(cy)[cx * source.channels + c];
    }
    out[c] = static_cast<std::uint8_t>(sum >> (2 * kFractionBits));
  }
}

template <int kChannels>
void blend_inside(const std::uint8_t* top, const std::uint8_t* bottom, const int (&weights)[4], std::uint8_t* out) {
  for (int c = 0; c < kChannels; ++c) {
    const int sum = weights[0] * top[c] + weights[1] * top[c + kChannels] + weights[2] * bottom[c] +
                    weights[3] * bottom[c + kChannels] + (1 << (2 * kFractionBits - 1));
    out[c] = static_cast<std::uint8_t>(sum >> (2 * kFractionBits));
  }
}

template <int kChannels>
void warp_row(const Image& source, const SourcePlaces& places, int y, Image& result) {
  std::uint8_t* out = result.row(y);
  const std::size_t row = static_cast<std::size_t>(y);
  const auto inner_width = static_cast<unsigned>(source.width - 1);
  const auto inner_height = static_cast<unsigned>(source.height - 1);
  for (std::size_t column = 0; column < static_cast<std::size_t>(result.width); ++column, out += kChannels) {
    const int fx = places.x(column, row) >> kFractionShift;
    const int fy = places.y(column, row) >> kFractionShift;
    const int sx = fx >> kFractionBits;
    const int sy = fy >> kFractionBits;
    const int right = fx & (kFractions - 1);
    const int below = fy & (kFractions - 1);
    const int weights[4] = {(kFractions - right) * (kFractions - below), right * (kFractions - below),
                            (kFractions - right) * below, right * below};
    if (static_cast<unsigned>(sx) < inner_width && static_cast<unsigned>(sy) < inner_height) {
      const std::uint8_t* top = source.row(sy) + sx * kChannels;
      blend_inside<kChannels>(top, top + source.row_bytes(), weights, out);
    } else if (sx >= -1 && sy >= -1 && sx < source.width && sy < source.height) {
      blend_at_border(source, sx, sy, weights, out);
    }
  }
}

// Where the corners of a box (x, y, width, height) of pixels come to lie, a pixel wider, within `size`.
struct PixelBox {
  int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};
PixelBox moved_box(const std::array<double, 4>& xywh, const AffineMap& map, ImageSize size) {
  double x1 = 1e30, y1 = 1e30, x2 = -1e30, y2 = -1e30;
  for (int corner = 0; corner < 4; ++corner) {
    const double x = xywh[0] - 0.5 + (corner & 1) * xywh[2];
    const double y = xywh[1] - 0.5 + (corner >> 1) * xywh[3];
    const double mx = map[0] * x + map[1] * y + map[2];
    const double my = map[3] * x + map[4] * y + map[5];
    x1 = std::min(x1, mx);
    y1 = std::min(y1, my);
    x2 = std::max(x2, mx);
    y2 = std::max(y2, my);
  }
  const auto limit = [](double value, int extent) {
    return static_cast<int>(std::clamp(value, 0.0, static_cast<double>(extent)));
  };
  return {limit(std::floor(x1) - 1, size.width), limit(std::floor(y1) - 1, size.height),
          limit(std::ceil(x2) + 2, size.width), limit(std::ceil(y2) + 2, size.height)};
}

}  // namespace

Image warp_affine(const Image& source, const AffineMap& map, ImageSize size) {
  check_warp_size(source.size(), "image");
  check_warp_size(size, "new size");
  FASTERMASK_CHECK(source.channels == 1 || source.channels == 3, "warp: the image must have 1 or 3 channels, got {}",
                   source.channels);
  const SourcePlaces places(map, size, 1 << (kFractionShift - 1));
  Image result(size.height, size.width, source.channels);  // black where nothing turns to
  parallel_for(0, size.height, 16, [&](std::int64_t begin, std::int64_t end) {
    for (int y = static_cast<int>(begin); y < static_cast<int>(end); ++y) {
      if (source.channels == 3) {
        warp_row<3>(source, places, y, result);
      } else {
        warp_row<1>(source, places, y, result);
      }
    }
  });
  return result;
}

Rle warp_affine_nearest(const Rle& mask, const AffineMap& map, ImageSize size) {
  check_warp_size({mask.height, mask.width}, "mask");
  check_warp_size(size, "new size");
  const std::array<double, 4> xywh = rle_to_xywh(mask);
  RunWriter writer;
  if (xywh[2] > 0) {
    const int left = static_cast<int>(xywh[0]);
    const int top = static_cast<int>(xywh[1]);
    const BitMask part = rle_decode(rle_crop(mask, top, left, static_cast<int>(xywh[3]), static_cast<int>(xywh[2])));
    const PixelBox box = moved_box(xywh, map, size);
    const SourcePlaces places(map, size, 1 << (kPlaceBits - 1));
    const std::uint32_t above = static_cast<std::uint32_t>(box.y1);
    const std::uint32_t below = static_cast<std::uint32_t>(size.height - box.y2);
    writer.add(0, static_cast<std::uint32_t>(box.x1) * static_cast<std::uint32_t>(size.height));
    for (int x = box.x1; x < box.x2; ++x) {
      writer.add(0, above);
      for (int y = box.y1; y < box.y2; ++y) {
        const int sx = (places.x(static_cast<std::size_t>(x), static_cast<std::size_t>(y)) >> kPlaceBits) - left;
        const int sy = (places.y(static_cast<std::size_t>(x), static_cast<std::size_t>(y)) >> kPlaceBits) - top;
        const bool inside = sx >= 0 && sy >= 0 && sx < part.width && sy < part.height;
        writer.add(inside ? part.row(sy)[sx] : 0, 1);
      }
      writer.add(0, below);
    }
    writer.add(0, static_cast<std::uint32_t>(size.width - box.x2) * static_cast<std::uint32_t>(size.height));
  } else {
    writer.add(0, static_cast<std::uint32_t>(size.height) * static_cast<std::uint32_t>(size.width));
  }
  return writer.finish(size.height, size.width);
}

}  // namespace fastermask
