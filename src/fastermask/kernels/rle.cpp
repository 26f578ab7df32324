// Run-length encoded masks: encoding, decoding, measuring, merging. Text form: rle_text.cpp; geometry:
// rle_geometry.cpp.
#include "fastermask/kernels/rle.h"

#include <algorithm>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/kernels/run_writer.h"

namespace fastermask {
namespace {

// Walks the runs of a mask, some pixels at a time.
class RleCursor {
 public:
  explicit RleCursor(const Rle& rle) : counts_(rle.counts) { next_run(); }

  bool done() const { return left_ == 0; }
  bool value() const { return value_; }
  std::uint32_t left() const { return left_; }
  void advance(std::uint32_t pixels) {
    left_ -= pixels;
    if (left_ == 0) next_run();
  }

 private:
  void next_run() {
    while (left_ == 0 && index_ < counts_.size()) {
      value_ = index_ % 2 == 1;
      left_ = counts_[index_++];
    }
  }

  const std::vector<std::uint32_t>& counts_;
  std::size_t index_ = 0;
  std::uint32_t left_ = 0;
  bool value_ = false;
};

// Calls visit(value of a, value of b, pixels) for stretches where neither mask changes.
template <class Visit>
void walk_two_rles(const Rle& a, const Rle& b, const Visit& visit) {
  RleCursor cursor_a(a);
  RleCursor cursor_b(b);
  while (!cursor_a.done() && !cursor_b.done()) {
    const std::uint32_t pixels = std::min(cursor_a.left(), cursor_b.left());
    visit(cursor_a.value(), cursor_b.value(), pixels);
    cursor_a.advance(pixels);
    cursor_b.advance(pixels);
  }
}

void check_same_rle_size(const Rle& a, const Rle& b, const char* where) {
  if (a.height != b.height || a.width != b.width) {
    fail<DataError>("{}: masks must have one size, got {} x {} and {} x {} (height x width)", where, a.height, a.width,
                    b.height, b.width);
  }
}

// Where a bitmap's columns change: pixel (row, x) differs from (row - 1, x).
struct ColumnChanges {
  std::vector<std::size_t> starts;  // [width + 1] of each column's rows
  std::vector<std::uint32_t> rows;  // rising within a column
};

// Eight pixels as 1 where they are set.
std::uint64_t set_pixels(const std::uint8_t* pixels) {
  constexpr std::uint64_t kLowSevenBits = 0x7f7f7f7f7f7f7f7fu;
  std::uint64_t word;
  std::memcpy(&word, pixels, 8);
  return ((((word & kLowSevenBits) + kLowSevenBits) | word) & ~kLowSevenBits) >> 7;
}

// Compares each row with the one above, eight pixels at a time: far fewer steps than walking down the columns.
ColumnChanges find_column_changes(const BitMask& mask) {
  const std::size_t width = static_cast<std::size_t>(mask.width);
  std::vector<std::uint32_t> changed_x;
  std::vector<std::uint32_t> changed_y;
  ColumnChanges changes;
  changes.starts.assign(width + 1, 0);
  const auto note = [&](std::size_t x, int y) {
    changed_x.push_back(static_cast<std::uint32_t>(x));
    changed_y.push_back(static_cast<std::uint32_t>(y));
    ++changes.starts[x + 1];
  };
  for (int y = 1; y < mask.height; ++y) {
    const std::uint8_t* row = mask.row(y);
    const std::uint8_t* above = mask.row(y - 1);
    std::size_t x = 0;
    for (; x + 8 <= width; x += 8) {
      if (std::memcmp(row + x, above + x, 8) == 0) continue;
      const std::uint64_t different = set_pixels(row + x) ^ set_pixels(above + x);
      for (std::size_t i = 0; i < 8; ++i) {
        if (((different >> (8 * i)) & 1u) != 0) note(x + i, y);
      }
    }
    for (; x < width; ++x) {
      if ((row[x] != 0) != (above[x] != 0)) note(x, y);
    }
  }
  for (std::size_t x = 0; x < width; ++x) changes.starts[x + 1] += changes.starts[x];
  changes.rows.resize(changed_x.size());
  std::vector<std::size_t> next(changes.starts.begin(), changes.starts.end() - 1);
  for (std::size_t i = 0; i < changed_x.size(); ++i) changes.rows[next[changed_x[i]]++] = changed_y[i];
  return changes;
}

}  // namespace

void RunWriter::add_bytes(const std::uint8_t* pixels, std::size_t count) {
  std::size_t i = 0;
  while (i < count) {
    const std::uint8_t value = pixels[i];
    const std::size_t begin = i++;
    const std::uint64_t alike = value == 0 ? 0 : 0x0101010101010101u;
    std::uint64_t word = 0;
    for (; i + 8 <= count; i += 8) {
      std::memcpy(&word, pixels + i, 8);
      if (word != alike) break;
    }
    while (i < count && pixels[i] == value) ++i;
    add(value, static_cast<std::uint32_t>(i - begin));
  }
}

Rle RunWriter::finish(int height, int width) {
  counts_.push_back(run_);
  Rle rle;
  rle.height = height;
  rle.width = width;
  rle.counts.assign(counts_.begin(), counts_.end());
  counts_.clear();
  run_ = 0;
  value_ = 0;
  return rle;
}

void check_rle(const Rle& rle, std::string_view where) {
  if (rle.height < 0 || rle.width < 0) {
    fail<DataError>("{}: the mask's size must not be negative, got {} x {} (height x width)", where, rle.height,
                    rle.width);
  }
  const std::uint64_t pixels = static_cast<std::uint64_t>(rle.height) * static_cast<std::uint64_t>(rle.width);
  if (pixels > 0xffffffffu) {
    fail<DataError>("{}: a mask may have at most 2^32 - 1 pixels, got {} x {} (height x width)", where, rle.height,
                    rle.width);
  }
  std::uint64_t sum = 0;
  for (const std::uint32_t count : rle.counts) sum += count;
  if (sum != pixels) {
    fail<DataError>("{}: the counts must add up to height x width = {} x {} = {}, got {}", where, rle.height, rle.width,
                    pixels, sum);
  }
}

Rle rle_encode(const BitMask& mask) {
  const std::size_t height = static_cast<std::size_t>(mask.height);
  const std::size_t width = static_cast<std::size_t>(mask.width);
  if (height == 0 || width == 0) return Rle{mask.height, mask.width, {0}};
  RunWriter writer;
  std::uint8_t value = 0;
  std::size_t position = 0;  // along the columns
  const auto change_at = [&](std::size_t place) {
    writer.add(value, static_cast<std::uint32_t>(place - position));
    position = place;
    value ^= 1;
  };
  const ColumnChanges changes = find_column_changes(mask);
  for (std::size_t x = 0; x < width; ++x) {
    if ((mask.pixels[x] != 0) != (value != 0)) change_at(x * height);
    for (std::size_t i = changes.starts[x]; i < changes.starts[x + 1]; ++i) change_at(x * height + changes.rows[i]);
  }
  writer.add(value, static_cast<std::uint32_t>(height * width - position));
  return writer.finish(mask.height, mask.width);
}

BitMask rle_decode(const Rle& rle) {
  check_rle(rle, "rle_decode");
  BitMask mask(rle.height, rle.width);
  const std::size_t height = static_cast<std::size_t>(rle.height);
  const std::size_t width = static_cast<std::size_t>(rle.width);
  for_each_run(rle, [&](std::size_t begin, std::size_t end) {
    std::size_t x = begin / height;
    std::size_t y = begin % height;
    for (std::size_t i = begin; i < end; ++i) {
      mask.pixels[y * width + x] = 1;
      if (++y == height) {
        y = 0;
        ++x;
      }
    }
  });
  return mask;
}

std::uint64_t rle_area(const Rle& rle) {
  std::uint64_t area = 0;
  for (std::size_t i = 1; i < rle.counts.size(); i += 2) area += rle.counts[i];
  return area;
}

std::array<double, 4> rle_to_xywh(const Rle& rle) {
  if (rle.height <= 0) return {0, 0, 0, 0};
  const std::size_t height = static_cast<std::size_t>(rle.height);
  std::size_t x1 = static_cast<std::size_t>(rle.width);
  std::size_t y1 = height;
  std::size_t x2 = 0;
  std::size_t y2 = 0;
  bool any = false;
  for_each_run(rle, [&](std::size_t begin, std::size_t end) {
    const std::size_t last = end - 1;
    any = true;
    x1 = std::min(x1, begin / height);
    x2 = std::max(x2, last / height);
    if (begin / height == last / height) {
      y1 = std::min(y1, begin % height);
      y2 = std::max(y2, last % height);
    } else {
      y1 = 0;
      y2 = height - 1;
    }
  });
  if (!any) return {0, 0, 0, 0};
  return {static_cast<double>(x1), static_cast<double>(y1), static_cast<double>(x2 - x1 + 1),
          static_cast<double>(y2 - y1 + 1)};
}

Rle rle_merge(Span<const Rle> masks, bool intersect) {
  if (masks.empty()) return Rle{0, 0, {0}};
  Rle merged = masks[0];
  for (std::size_t i = 1; i < masks.size(); ++i) {
    check_same_rle_size(merged, masks[i], "rle_merge");
    RunWriter writer;
    walk_two_rles(merged, masks[i], [&](bool a, bool b, std::uint32_t pixels) {
      writer.add((intersect ? a && b : a || b) ? 1 : 0, pixels);
    });
    merged = writer.finish(merged.height, merged.width);
  }
  return merged;
}

Rle rle_subtract(const Rle& mask, const Rle& other) {
  check_same_rle_size(mask, other, "rle_subtract");
  RunWriter writer;
  walk_two_rles(mask, other, [&](bool a, bool b, std::uint32_t pixels) { writer.add(a && !b ? 1 : 0, pixels); });
  return writer.finish(mask.height, mask.width);
}

double rle_iou(const Rle& detection, const Rle& truth, bool truth_is_crowd) {
  check_same_rle_size(detection, truth, "rle_iou");
  std::uint64_t both = 0;
  std::uint64_t either = 0;
  std::uint64_t detected = 0;
  walk_two_rles(detection, truth, [&](bool a, bool b, std::uint32_t pixels) {
    both += a && b ? pixels : 0;
    either += a || b ? pixels : 0;
    detected += a ? pixels : 0;
  });
  if (both == 0) return 0;
  return static_cast<double>(both) / static_cast<double>(truth_is_crowd ? detected : either);
}

}  // namespace fastermask
