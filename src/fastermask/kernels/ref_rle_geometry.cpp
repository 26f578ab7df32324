#include "fastermask/kernels/ref_rle_geometry.h"

#include <algorithm>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/kernels/nearest_pixels.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask::ref {
namespace {

// All pixels as bytes, column by column: [width, height].
std::vector<std::uint8_t> rle_columns(const Rle& rle, const char* where) {
  check_rle(rle, where);
  std::vector<std::uint8_t> columns(static_cast<std::size_t>(rle.height) * static_cast<std::size_t>(rle.width));
  for_each_run(rle, [&](std::size_t begin, std::size_t end) { std::memset(&columns[begin], 1, end - begin); });
  return columns;
}

}  // namespace

Rle rle_flip_horizontal(const Rle& rle) {
  const std::vector<std::uint8_t> columns = rle_columns(rle, "rle_flip_horizontal");
  const std::size_t height = static_cast<std::size_t>(rle.height);
  RunWriter writer;
  for (std::size_t x = static_cast<std::size_t>(rle.width); x-- > 0;) {
    writer.add_bytes(columns.data() + x * height, height);
  }
  return writer.finish(rle.height, rle.width);
}

Rle rle_flip_vertical(const Rle& rle) {
  std::vector<std::uint8_t> columns = rle_columns(rle, "rle_flip_vertical");
  const std::ptrdiff_t height = rle.height;
  for (std::ptrdiff_t x = 0; x < rle.width; ++x) {
    std::reverse(columns.begin() + x * height, columns.begin() + (x + 1) * height);
  }
  RunWriter writer;
  writer.add_bytes(columns.data(), columns.size());
  return writer.finish(rle.height, rle.width);
}

Rle rle_resize_nearest(const Rle& rle, ImageSize size) {
  const std::vector<std::uint8_t> columns = rle_columns(rle, "rle_resize_nearest");
  const std::vector<int> rows = nearest_source_pixels(rle.height, size.height);
  std::vector<std::uint8_t> column(rows.size());
  RunWriter writer;
  for (const int x : nearest_source_pixels(rle.width, size.width)) {
    const std::size_t from = static_cast<std::size_t>(std::max(x, 0)) * static_cast<std::size_t>(rle.height);
    for (std::size_t y = 0; y < rows.size(); ++y) {
      column[y] = x < 0 || rows[y] < 0 ? 0 : columns[from + static_cast<std::size_t>(rows[y])];
    }
    writer.add_bytes(column.data(), column.size());
  }
  return writer.finish(size.height, size.width);
}

Rle rle_crop(const Rle& rle, int y0, int x0, int height, int width) {
  const std::vector<std::uint8_t> columns = rle_columns(rle, "rle_crop");
  RunWriter writer;
  for (int x = x0; x < x0 + width; ++x) {
    const std::size_t from = static_cast<std::size_t>(x) * static_cast<std::size_t>(rle.height);
    writer.add_bytes(columns.data() + from + static_cast<std::size_t>(y0), static_cast<std::size_t>(height));
  }
  return writer.finish(height, width);
}

Rle rle_pad(const Rle& rle, int top, int left, int height, int width) {
  const std::vector<std::uint8_t> columns = rle_columns(rle, "rle_pad");
  RunWriter writer;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const bool inside = y >= top && y < top + rle.height && x >= left && x < left + rle.width;
      const std::size_t from = static_cast<std::size_t>(inside ? (x - left) * rle.height + y - top : 0);
      writer.add(inside ? columns[from] : 0, 1);
    }
  }
  return writer.finish(height, width);
}

}  // namespace fastermask::ref
