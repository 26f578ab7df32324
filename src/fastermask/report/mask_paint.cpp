// The edge is found by blurring: a box filter over the bitmap is 1/2 on the edge and changes by 1/size a pixel across
// it, so its value is the distance from the edge. That gives a smooth line without tracing outlines, for masks of any
// shape and number of parts.
#include "fastermask/report/mask_paint.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

struct MaskExtent {
  int x_begin = 0, y_begin = 0, x_end = 0, y_end = 0;
  int width() const { return x_end - x_begin; }
  int height() const { return y_end - y_begin; }
};

// Calls body(x, y_begin, y_end) for every piece of a column that is set.
template <class Body>
void for_each_mask_column_piece(const Rle& mask, Body body) {
  std::int64_t position = 0;
  for (std::size_t i = 0; i < mask.counts.size(); ++i) {
    const std::int64_t end = position + mask.counts[i];
    while (i % 2 == 1 && position < end) {
      const std::int64_t x = position / mask.height;
      const std::int64_t piece_end = std::min(end, (x + 1) * mask.height);
      body(static_cast<int>(x), static_cast<int>(position - x * mask.height),
           static_cast<int>(piece_end - x * mask.height));
      position = piece_end;
    }
    position = end;
  }
}

MaskExtent mask_extent(const Rle& mask) {
  MaskExtent extent{mask.width, mask.height, 0, 0};
  for_each_mask_column_piece(mask, [&extent](int x, int y_begin, int y_end) {
    extent.x_begin = std::min(extent.x_begin, x);
    extent.x_end = std::max(extent.x_end, x + 1);
    extent.y_begin = std::min(extent.y_begin, y_begin);
    extent.y_end = std::max(extent.y_end, y_end);
  });
  return extent;
}

// The mask inside `frame`, turned so that its columns are rows (runs go down columns: each is one fill). The frame may
// reach beyond the picture: there, pixels repeat the picture's border, so that a mask cut off by the border has no edge
// along it.
BitMask turned_crop_with_border(const Rle& mask, const MaskExtent& frame) {
  BitMask crop(frame.width(), frame.height());
  for_each_mask_column_piece(mask, [&](int x, int y_begin, int y_end) {
    const int top = y_begin == 0 ? frame.y_begin : y_begin;
    const int bottom = y_end == mask.height ? frame.y_end : y_end;
    std::uint8_t* column = crop.row(x - frame.x_begin);
    std::fill(column + (top - frame.y_begin), column + (bottom - frame.y_begin), std::uint8_t{1});
  });
  const auto repeat = [&crop](int from, int begin, int end) {
    for (int x = begin; x < end; ++x) std::copy_n(crop.row(from), crop.width, crop.row(x));
  };
  if (frame.x_begin < 0) repeat(-frame.x_begin, 0, -frame.x_begin);
  const int edge = mask.width - frame.x_begin;
  if (frame.x_end > mask.width) repeat(edge - 1, edge, crop.height);
  return crop;
}

// Exchanges rows and columns, block by block to stay in the cache.
BitMask turned(const BitMask& mask) {
  constexpr int kBlock = 32;
  BitMask result(mask.width, mask.height);
  for (int y0 = 0; y0 < mask.height; y0 += kBlock) {
    for (int x0 = 0; x0 < mask.width; x0 += kBlock) {
      for (int x = x0; x < std::min(x0 + kBlock, mask.width); ++x) {
        for (int y = y0; y < std::min(y0 + kBlock, mask.height); ++y) result.row(x)[y] = mask.row(y)[x];
      }
    }
  }
  return result;
}

// Sums over squares of 2 radius + 1 pixels; what lies outside counts as 0.
std::vector<std::uint16_t> box_sums(const BitMask& mask, int radius) {
  const auto width = static_cast<std::size_t>(mask.width);
  const auto height = static_cast<std::size_t>(mask.height);
  const auto reach = static_cast<std::size_t>(radius);
  std::vector<std::uint16_t> rows(width * height);
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint8_t* bits = mask.row(static_cast<int>(y));
    unsigned sum = 0;
    for (std::size_t x = 0; x < std::min(reach, width); ++x) sum += bits[x];
    for (std::size_t x = 0; x < width; ++x) {
      if (x + reach < width) sum += bits[x + reach];
      if (x > reach) sum -= bits[x - reach - 1];
      rows[y * width + x] = static_cast<std::uint16_t>(sum);
    }
  }
  std::vector<std::uint16_t> sums(width * height);
  std::vector<std::uint16_t> column(width, 0);
  const auto change = [&](std::size_t y, int sign) {
    for (std::size_t x = 0; x < width; ++x) {
      column[x] = static_cast<std::uint16_t>(column[x] + sign * rows[y * width + x]);
    }
  };
  for (std::size_t y = 0; y < std::min(reach, height); ++y) change(y, 1);
  for (std::size_t y = 0; y < height; ++y) {
    if (y + reach < height) change(y + reach, 1);
    if (y > reach) change(y - reach - 1, -1);
    std::copy(column.begin(), column.end(), sums.begin() + static_cast<std::ptrdiff_t>(y * width));
  }
  return sums;
}

// Opacity (of 256) by box sum, for pixels outside and inside the mask.
struct OpacityTables {
  std::vector<std::uint16_t> outside, inside;
};

OpacityTables opacity_tables(int radius, double opacity, double line_width) {
  const int size = 2 * radius + 1;
  OpacityTables tables;
  for (int sum = 0; sum <= size * size; ++sum) {
    const double distance = static_cast<double>(sum) / size - 0.5 * size;  // pixels from the edge, > 0 inside
    const auto line = [&](double off_edge) { return std::clamp(0.5 * line_width + 0.5 - off_edge, 0.0, 1.0); };
    // A set pixel that looks to be outside belongs to a part thinner than the filter: all of that is edge.
    const double inside = std::max(opacity, line(std::max(distance, 0.0)));
    const double outside = sum > 0 ? line(std::max(-distance, 0.0)) : 0;
    tables.outside.push_back(static_cast<std::uint16_t>(std::lround(256 * outside)));
    tables.inside.push_back(static_cast<std::uint16_t>(std::lround(256 * inside)));
  }
  return tables;
}

}  // namespace

void paint_mask(const PixelCanvas& canvas, const Rle& mask, const std::array<std::uint8_t, 3>& colour, double opacity,
                double line_width) {
  check_rle(mask, "draw");
  const MaskExtent extent = mask_extent(mask);
  if (extent.width() <= 0) return;
  const int radius = std::clamp(static_cast<int>(std::ceil(0.5 * line_width + 0.5)), 1, 100);
  const MaskExtent frame{extent.x_begin - radius, extent.y_begin - radius, extent.x_end + radius,
                         extent.y_end + radius};
  const BitMask crop = turned(turned_crop_with_border(mask, frame));
  const std::vector<std::uint16_t> sums = box_sums(crop, radius);
  const OpacityTables tables = opacity_tables(radius, std::clamp(opacity, 0.0, 1.0), line_width);
  for (int y = std::max(frame.y_begin, 0); y < std::min(frame.y_end, mask.height); ++y) {
    const std::uint8_t* bits = crop.row(y - frame.y_begin);
    const std::uint16_t* row_sums =
        sums.data() + static_cast<std::size_t>(y - frame.y_begin) * static_cast<std::size_t>(crop.width);
    std::uint8_t* pixels = canvas.pixels + static_cast<std::size_t>(y) * canvas.stride;
    for (int x = std::max(frame.x_begin, 0); x < std::min(frame.x_end, mask.width); ++x) {
      const int at = x - frame.x_begin;
      const int alpha = (bits[at] != 0 ? tables.inside : tables.outside)[row_sums[at]];
      if (alpha == 0) continue;
      std::uint8_t* pixel = pixels + 4 * static_cast<std::size_t>(x);
      for (std::size_t c = 0; c < 3; ++c) {
        pixel[c] = static_cast<std::uint8_t>((pixel[c] * (256 - alpha) + colour[c] * alpha + 128) >> 8);
      }
    }
  }
}

}  // namespace fastermask
