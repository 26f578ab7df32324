// Moving run-length encoded masks: mirror, resize, crop, pad. All work on the runs, cut at the ends of the columns, so
// their time grows with the outline's length, not with the picture's area. Plain twins: ref_rle_geometry.h.
#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/kernels/nearest_pixels.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

// The set pixels of a mask as stretches of rows, column by column.
struct ColumnRuns {
  struct Stretch {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  std::vector<std::uint32_t> starts;  // [width + 1]: column x has stretches [starts[x], starts[x + 1])
  std::vector<Stretch> stretches;

  const Stretch* begin(std::size_t x) const { return stretches.data() + starts[x]; }
  const Stretch* end(std::size_t x) const { return stretches.data() + starts[x + 1]; }
};

ColumnRuns column_runs(const Rle& rle, const char* where) {
  check_rle(rle, where);
  const std::uint32_t height = static_cast<std::uint32_t>(rle.height);
  ColumnRuns runs;
  runs.starts.reserve(static_cast<std::size_t>(rle.width) + 1);
  runs.stretches.reserve(rle.counts.size());
  runs.starts.push_back(0);
  for_each_run(rle, [&](std::size_t first, std::size_t last) {
    std::uint32_t begin = static_cast<std::uint32_t>(first);
    const std::uint32_t end = static_cast<std::uint32_t>(last);
    std::uint32_t x = begin / height;
    while (begin < end) {
      while (runs.starts.size() <= x) runs.starts.push_back(static_cast<std::uint32_t>(runs.stretches.size()));
      const std::uint32_t column_end = std::min(end, (x + 1) * height);
      runs.stretches.push_back({begin - x * height, column_end - x * height});
      begin = column_end;
      ++x;
    }
  });
  runs.starts.resize(static_cast<std::size_t>(rle.width) + 1, static_cast<std::uint32_t>(runs.stretches.size()));
  return runs;
}

// Writes columns of stretches one after the other.
class ColumnWriter {
 public:
  explicit ColumnWriter(std::size_t height) : height_(height) {}

  // A stretch of the present column, below those before.
  void stretch(std::size_t begin, std::size_t end) {
    if (begin >= end) return;
    writer_.add(0, static_cast<std::uint32_t>(column_ + begin - written_));
    writer_.add(1, static_cast<std::uint32_t>(end - begin));
    written_ = column_ + end;
  }
  void next_column() { column_ += height_; }

  Rle finish(ImageSize size) {
    const std::size_t pixels = static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width);
    writer_.add(0, static_cast<std::uint32_t>(pixels - written_));
    return writer_.finish(size.height, size.width);
  }

 private:
  std::size_t height_;
  std::size_t column_ = 0;   // position of the present column's first pixel
  std::size_t written_ = 0;  // pixels written
  RunWriter writer_;
};

// [in + 1]: how many output pixels take an input pixel before this one.
std::vector<std::uint32_t> outputs_before(const std::vector<int>& sources, int in) {
  std::vector<std::uint32_t> before(static_cast<std::size_t>(in) + 1);
  for (const int source : sources) {
    if (source >= 0) ++before[static_cast<std::size_t>(source) + 1];
  }
  for (std::size_t i = 1; i < before.size(); ++i) before[i] += before[i - 1];
  return before;
}

}  // namespace

Rle rle_flip_horizontal(const Rle& rle) {
  const ColumnRuns runs = column_runs(rle, "rle_flip_horizontal");
  ColumnWriter writer(static_cast<std::size_t>(rle.height));
  for (std::size_t x = static_cast<std::size_t>(rle.width); x-- > 0; writer.next_column()) {
    for (const auto* s = runs.begin(x); s != runs.end(x); ++s) writer.stretch(s->begin, s->end);
  }
  return writer.finish({rle.height, rle.width});
}

Rle rle_flip_vertical(const Rle& rle) {
  const ColumnRuns runs = column_runs(rle, "rle_flip_vertical");
  const std::uint32_t height = static_cast<std::uint32_t>(rle.height);
  ColumnWriter writer(height);
  for (std::size_t x = 0; x < static_cast<std::size_t>(rle.width); ++x, writer.next_column()) {
    for (const auto* s = runs.end(x); s != runs.begin(x);) {
      --s;
      writer.stretch(height - s->end, height - s->begin);
    }
  }
  return writer.finish({rle.height, rle.width});
}

Rle rle_resize_nearest(const Rle& rle, ImageSize size) {
  FASTERMASK_CHECK(size.height > 0 && size.width > 0, "rle_resize_nearest: the new size must be positive, got {} x {}",
                   size.height, size.width);
  const ColumnRuns runs = column_runs(rle, "rle_resize_nearest");
  const std::vector<std::uint32_t> before = outputs_before(nearest_source_pixels(rle.height, size.height), rle.height);
  ColumnWriter writer(static_cast<std::size_t>(size.height));
  for (const int source : nearest_source_pixels(rle.width, size.width)) {
    if (source >= 0) {
      const std::size_t x = static_cast<std::size_t>(source);
      for (const auto* s = runs.begin(x); s != runs.end(x); ++s) writer.stretch(before[s->begin], before[s->end]);
    }
    writer.next_column();
  }
  return writer.finish(size);
}

Rle rle_crop(const Rle& rle, int y0, int x0, int height, int width) {
  const bool inside =
      y0 >= 0 && x0 >= 0 && height >= 0 && width >= 0 && height <= rle.height - y0 && width <= rle.width - x0;
  FASTERMASK_CHECK(inside, "rle_crop: the crop must lie in the mask of {} x {}, got {} x {} from row {}, column {}",
                   rle.height, rle.width, height, width, y0, x0);
  const ColumnRuns runs = column_runs(rle, "rle_crop");
  const std::uint32_t top = static_cast<std::uint32_t>(y0);
  const std::uint32_t bottom = static_cast<std::uint32_t>(y0 + height);
  ColumnWriter writer(static_cast<std::size_t>(height));
  for (int column = x0; column < x0 + width; ++column, writer.next_column()) {
    const std::size_t x = static_cast<std::size_t>(column);
    for (const auto* s = runs.begin(x); s != runs.end(x); ++s) {
      const std::uint32_t begin = std::max(s->begin, top);
      const std::uint32_t end = std::min(s->end, bottom);
      if (begin < end) writer.stretch(begin - top, end - top);
    }
  }
  return writer.finish({height, width});
}

Rle rle_pad(const Rle& rle, int top, int left, int height, int width) {
  const bool inside = top >= 0 && left >= 0 && height - top >= rle.height && width - left >= rle.width;
  FASTERMASK_CHECK(inside, "rle_pad: the mask of {} x {} must fit at row {}, column {} of {} x {}", rle.height,
                   rle.width, top, left, height, width);
  const ColumnRuns runs = column_runs(rle, "rle_pad");
  const std::uint32_t down = static_cast<std::uint32_t>(top);
  ColumnWriter writer(static_cast<std::size_t>(height));
  for (int i = 0; i < left; ++i) writer.next_column();
  for (std::size_t x = 0; x < static_cast<std::size_t>(rle.width); ++x, writer.next_column()) {
    for (const auto* s = runs.begin(x); s != runs.end(x); ++s) writer.stretch(s->begin + down, s->end + down);
  }
  return writer.finish({height, width});
}

}  // namespace fastermask
