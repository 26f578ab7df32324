// Moving run-length encoded masks: mirror, resize, crop. Each is built column by column.
#include <algorithm>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

// All pixels as bytes, column by column: [width, height].
std::vector<std::uint8_t> rle_columns(const Rle& rle, const char* where) {
  check_rle(rle, where);
  std::vector<std::uint8_t> columns(static_cast<std::size_t>(rle.height) * static_cast<std::size_t>(rle.width));
  for_each_run(rle, [&](std::size_t begin, std::size_t end) { std::memset(&columns[begin], 1, end - begin); });
  return columns;
}

// Which input pixel each output pixel takes, -1 for none. Pillow steps along by adding, which may differ in the last
// bit from multiplying: src/libImaging/Geometry.c.
std::vector<int> nearest_pixels(int in, int out) {
  std::vector<int> pixels(static_cast<std::size_t>(out));
  const double step = static_cast<double>(in) / out;
  double position = step * 0.5;
  for (int& pixel : pixels) {
    pixel = static_cast<int>(position);
    if (pixel >= in) pixel = -1;
    position += step;
  }
  return pixels;
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
  FASTERMASK_CHECK(size.height > 0 && size.width > 0, "rle_resize_nearest: the new size must be positive, got {} x {}",
                   size.height, size.width);
  const std::vector<std::uint8_t> columns = rle_columns(rle, "rle_resize_nearest");
  const std::vector<int> rows = nearest_pixels(rle.height, size.height);
  std::vector<std::uint8_t> column(rows.size());
  RunWriter writer;
  for (const int x : nearest_pixels(rle.width, size.width)) {
    const std::size_t from = static_cast<std::size_t>(std::max(x, 0)) * static_cast<std::size_t>(rle.height);
    for (std::size_t y = 0; y < rows.size(); ++y) {
      column[y] = x < 0 || rows[y] < 0 ? 0 : columns[from + static_cast<std::size_t>(rows[y])];
    }
    writer.add_bytes(column.data(), column.size());
  }
  return writer.finish(size.height, size.width);
}

Rle rle_crop(const Rle& rle, int y0, int x0, int height, int width) {
  const bool inside =
      y0 >= 0 && x0 >= 0 && height >= 0 && width >= 0 && height <= rle.height - y0 && width <= rle.width - x0;
  FASTERMASK_CHECK(inside, "rle_crop: the crop must lie in the mask of {} x {}, got {} x {} from row {}, column {}",
                   rle.height, rle.width, height, width, y0, x0);
  const std::vector<std::uint8_t> columns = rle_columns(rle, "rle_crop");
  RunWriter writer;
  for (int x = x0; x < x0 + width; ++x) {
    const std::size_t from = static_cast<std::size_t>(x) * static_cast<std::size_t>(rle.height);
    writer.add_bytes(columns.data() + from + static_cast<std::size_t>(y0), static_cast<std::size_t>(height));
  }
  return writer.finish(height, width);
}

}  // namespace fastermask
