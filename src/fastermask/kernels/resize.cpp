// Pillow's bilinear resize in fixed point, the rule of the shorter edge, and mirroring.
#include "fastermask/kernels/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

constexpr int kCoefficientBits = 32 - 8 - 2;  // 8 bits of pixel, 2 of headroom

// Which input pixels make an output pixel, for one axis.
struct ResizeAxis {
  int taps = 0;                            // input pixels an output pixel (the most any needs)
  std::vector<std::int32_t> starts;        // [out] first input pixel
  std::vector<std::int32_t> coefficients;  // [out, taps] fixed point; 0 where fewer are needed
};

// The triangle filter around one output pixel.
struct ResizeWindow {
  ResizeWindow(int in, int out, int pixel) {
    const double scale = static_cast<double>(in) / out;
    const double filter_scale = std::max(scale, 1.0);
    const double support = 1.0 * filter_scale;
    inverse = 1.0 / filter_scale;
    centre = (pixel + 0.5) * scale;
    begin = std::max(static_cast<int>(centre - support + 0.5), 0);
    end = std::min(static_cast<int>(centre + support + 0.5), in);
  }

  // Not yet divided by the sum over the window.
  double weight(int i) const {
    const double distance = std::abs((i - centre + 0.5) * inverse);
    return distance < 1.0 ? 1.0 - distance : 0.0;
  }

  int begin = 0;  // input pixels [begin, end)
  int end = 0;
  double inverse = 1;
  double centre = 0;
};

ResizeAxis make_resize_axis(int in, int out) {
  ResizeAxis axis;
  for (int pixel = 0; pixel < out; ++pixel) {
    const ResizeWindow window(in, out, pixel);
    axis.taps = std::max(axis.taps, window.end - window.begin);
  }
  const std::size_t taps = static_cast<std::size_t>(axis.taps);
  axis.starts.reserve(static_cast<std::size_t>(out));
  axis.coefficients.assign(taps * static_cast<std::size_t>(out), 0);
  for (int pixel = 0; pixel < out; ++pixel) {
    const ResizeWindow window(in, out, pixel);
    double sum = 0;
    for (int i = window.begin; i < window.end; ++i) sum += window.weight(i);
    // Moved left where the full number of taps would reach beyond the input.
    const int start = std::min(window.begin, in - axis.taps);
    axis.starts.push_back(start);
    std::size_t to = static_cast<std::size_t>(pixel) * taps + static_cast<std::size_t>(window.begin - start);
    for (int i = window.begin; i < window.end; ++i) {
      const double weight = sum != 0.0 ? window.weight(i) / sum : window.weight(i);
      axis.coefficients[to++] = static_cast<std::int32_t>(0.5 + weight * (1 << kCoefficientBits));
    }
  }
  return axis;
}

// The last output pixel becomes the first.
void mirror_axis(ResizeAxis& axis) {
  std::reverse(axis.starts.begin(), axis.starts.end());
  std::reverse(axis.coefficients.begin(), axis.coefficients.end());  // all of them: the order of taps turns too
  const auto taps = static_cast<std::ptrdiff_t>(axis.taps);
  for (auto pixel = axis.coefficients.begin(); pixel != axis.coefficients.end(); pixel += taps) {
    std::reverse(pixel, pixel + taps);
  }
}

// A stretch of an axis: pixels [begin, begin + count).
struct ResizeStretch {
  int begin = 0;
  int count = 0;
};

// The columns `part` of the image resized along its rows; of the source, only the rows `rows`. `mirrored`: the columns
// come in reverse.
Image resize_width(const Image& source, int width, ResizeStretch part, ResizeStretch rows, bool mirrored) {
  ResizeAxis axis = make_resize_axis(source.width, width);
  if (mirrored) mirror_axis(axis);
  const std::size_t first = static_cast<std::size_t>(mirrored ? width - part.begin - part.count : part.begin);
  const std::int32_t* starts = axis.starts.data() + first;
  const std::int32_t* coefficients = axis.coefficients.data() + first * static_cast<std::size_t>(axis.taps);
  Image result = Image::unset(rows.count, part.count, source.channels);
  parallel_for(0, rows.count, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> last_row;
    std::vector<const std::uint8_t*> from;
    std::vector<std::uint8_t*> to;
    from.reserve(static_cast<std::size_t>(end - begin));
    to.reserve(from.capacity());
    for (int y = static_cast<int>(begin); y < static_cast<int>(end); ++y) {
      const std::uint8_t* row = source.row(rows.begin + y);
      if (rows.begin + y == source.height - 1) {  // the loop reads a little past the end of a row
        last_row.reserve(source.row_bytes() + 4);
        last_row.assign(row, row + source.row_bytes());
        last_row.resize(source.row_bytes() + 4);
        row = last_row.data();
      }
      from.push_back(row);
      to.push_back(result.row(y));
    }
    if (source.channels >= 3) {
      row_ops().resize_rows(from.data(), static_cast<int>(from.size()), source.channels, starts, coefficients,
                            axis.taps, part.count, to.data());
      return;
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
      row_ops().resize_row(from[i], source.channels, starts, coefficients, axis.taps, part.count, to[i]);
    }
  });
  return result;
}

// The rows `part` of the image resized along its columns. The source's row 0 is row `source_begin` of the picture that
// the axis is of.
Image resize_height(const Image& source, const ResizeAxis& axis, ResizeStretch part, int source_begin) {
  Image result = Image::unset(part.count, source.width, source.channels);
  parallel_for(0, part.count, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<const std::uint8_t*> rows(static_cast<std::size_t>(axis.taps));
    for (std::int64_t y = begin; y < end; ++y) {
      const std::size_t pixel = static_cast<std::size_t>(part.begin + y);
      const int first = axis.starts[pixel] - source_begin;
      for (std::size_t t = 0; t < rows.size(); ++t) rows[t] = source.row(first + static_cast<int>(t));
      row_ops().resize_column(rows.data(), axis.coefficients.data() + pixel * rows.size(), axis.taps,
                              static_cast<std::ptrdiff_t>(source.row_bytes()), result.row(static_cast<int>(y)));
    }
  });
  return result;
}

void check_resize(const Image& source, ImageSize size) {
  FASTERMASK_CHECK(source.height > 0 && source.width > 0, "resize: the image must not be empty, got {} x {}",
                   source.height, source.width);
  FASTERMASK_CHECK(source.channels >= 1 && source.channels <= 4, "resize: the image must have 1 to 4 channels, got {}",
                   source.channels);
  FASTERMASK_CHECK(size.height > 0 && size.width > 0, "resize: the new size must be positive, got {} x {}", size.height,
                   size.width);
}

void check_part(ImageSize size, int y0, int x0, ImageSize part) {
  const bool inside = y0 >= 0 && x0 >= 0 && part.height > 0 && part.width > 0 && part.height <= size.height - y0 &&
                      part.width <= size.width - x0;
  FASTERMASK_CHECK(inside, "crop: the part must lie in the image of {} x {}, got {} x {} from row {}, column {}",
                   size.height, size.width, part.height, part.width, y0, x0);
}

// resize_bilinear_part, the columns in reverse where `mirrored`; the width must change then.
Image resize_part(const Image& source, ImageSize size, int y0, int x0, ImageSize part, bool mirrored) {
  check_resize(source, size);
  check_part(size, y0, x0, part);
  if (size.height == source.height) {
    if (size.width == source.width) return crop_image(source, y0, x0, part);
    return resize_width(source, size.width, {x0, part.width}, {y0, part.height}, mirrored);
  }
  const ResizeAxis axis = make_resize_axis(source.height, size.height);
  const int top = axis.starts[static_cast<std::size_t>(y0)];
  const int bottom = axis.starts[static_cast<std::size_t>(y0 + part.height - 1)] + axis.taps;
  if (size.width == source.width) {
    if (part.width == source.width) return resize_height(source, axis, {y0, part.height}, 0);
    return resize_height(crop_image(source, top, x0, {bottom - top, part.width}), axis, {y0, part.height}, top);
  }
  return resize_height(resize_width(source, size.width, {x0, part.width}, {top, bottom - top}, mirrored), axis,
                       {y0, part.height}, top);
}

}  // namespace

Image resize_bilinear(const Image& source, ImageSize size) {
  check_resize(source, size);
  if (size == source.size()) return source;
  return resize_bilinear_part(source, size, 0, 0, size);
}

Image resize_bilinear_mirrored(const Image& source, ImageSize size, int y0, int x0, ImageSize part) {
  if (size.width != source.width) return resize_part(source, size, y0, x0, part, true);
  Image result = resize_bilinear_part(source, size, y0, x0, part);
  flip_horizontal(result);
  return result;
}

Image resize_bilinear_part(const Image& source, ImageSize size, int y0, int x0, ImageSize part) {
  return resize_part(source, size, y0, x0, part, false);
}

Image crop_image(const Image& image, int y0, int x0, ImageSize part) {
  check_part(image.size(), y0, x0, part);
  Image result = Image::unset(part.height, part.width, image.channels);
  const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(x0) * image.channels;
  for (int y = 0; y < part.height; ++y) {
    const std::uint8_t* from = image.row(y0 + y) + offset;
    std::copy(from, from + result.row_bytes(), result.row(y));
  }
  return result;
}

ImageSize resize_shortest_edge_size(ImageSize size, int min_size, int max_size) {
  FASTERMASK_CHECK(size.height > 0 && size.width > 0, "resize: the image must not be empty, got {} x {}", size.height,
                   size.width);
  FASTERMASK_CHECK(min_size >= 0 && max_size >= 1, "resize: min_size must be >= 0 and max_size >= 1, got {} and {}",
                   min_size, max_size);
  if (min_size == 0) return size;
  const double shortest = min_size;
  double scale = shortest / std::min(size.height, size.width);
  double height = size.height < size.width ? shortest : scale * size.height;
  double width = size.height < size.width ? scale * size.width : shortest;
  if (std::max(height, width) > max_size) {
    scale = max_size * 1.0 / std::max(height, width);
    height *= scale;
    width *= scale;
  }
  return {std::max(static_cast<int>(height + 0.5), 1), std::max(static_cast<int>(width + 0.5), 1)};
}

void flip_horizontal(Image& image) {
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  std::vector<std::uint8_t> turned(image.row_bytes() + 4);
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* row = image.row(y);
    if (channels == 3) {
      // Four bytes at a time; each pixel overwrites the byte too many of the one before.
      std::uint8_t* to = turned.data();
      const std::uint8_t* from = row + image.row_bytes() - 3;
      std::memcpy(to, from, 3);
      for (int x = 1; x < image.width; ++x) std::memcpy(to += 3, from -= 3, 4);
    } else {
      for (int x = 0; x < image.width; ++x) {
        std::copy_n(row + static_cast<std::size_t>(x) * channels, channels,
                    turned.data() + static_cast<std::size_t>(image.width - 1 - x) * channels);
      }
    }
    std::copy_n(turned.data(), image.row_bytes(), row);
  }
}

void flip_vertical(Image& image) {
  for (int y = 0; y < image.height / 2; ++y) {
    std::swap_ranges(image.row(y), image.row(y) + image.row_bytes(), image.row(image.height - 1 - y));
  }
}

}  // namespace fastermask
