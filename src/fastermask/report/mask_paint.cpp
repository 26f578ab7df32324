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

// Sums over squares of 2 radius + 1 pixels, row after row from the top; what lies outside counts as 0.
class BoxSums {
 public:
  BoxSums(const BitMask& mask, int radius)
      : mask_(mask), radius_(radius), columns_(static_cast<std::size_t>(mask.width + 2 * radius + 1)),
        sums_(static_cast<std::size_t>(mask.width)) {
    for (int y = 0; y < std::min(radius, mask.height); ++y) add_row(y, 1);
  }

  // The sums of the next row; valid until the next call.
  const std::uint16_t* next_row() {
    if (y_ + radius_ < mask_.height) add_row(y_ + radius_, 1);
    if (y_ > radius_) add_row(y_ - radius_ - 1, -1);
    ++y_;
    const std::size_t size = static_cast<std::size_t>(2 * radius_ + 1);
    unsigned sum = 0;
    for (std::size_t x = 0; x < size; ++x) sum += columns_[x];
    for (std::size_t x = 0; x < sums_.size(); ++x) {
      sums_[x] = static_cast<std::uint16_t>(sum);
      sum += static_cast<unsigned>(columns_[x + size]) - columns_[x];
    }
    return sums_.data();
  }

 private:
  void add_row(int y, int sign) {
    const std::uint8_t* bits = mask_.row(y);
    std::uint16_t* columns = columns_.data() + radius_;
    for (int x = 0; x < mask_.width; ++x) columns[x] = static_cast<std::uint16_t>(columns[x] + sign * bits[x]);
  }

  const BitMask& mask_;
  int radius_;
  int y_ = 0;
  std::vector<std::uint16_t> columns_;  // sums down each column, with `radius` zeros left and one more right
  std::vector<std::uint16_t> sums_;
};

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
  BoxSums sums(crop, radius);
  const OpacityTables tables = opacity_tables(radius, std::clamp(opacity, 0.0, 1.0), line_width);
  for (int y = frame.y_begin; y < std::min(frame.y_end, mask.height); ++y) {
    const std::uint16_t* row_sums = sums.next_row();
    if (y < 0) continue;
    const std::uint8_t* bits = crop.row(y - frame.y_begin);
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
