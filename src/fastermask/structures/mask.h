// Instance masks in their three forms: polygons, run-length encoding (COCO's), and bitmaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "fastermask/structures/box.h"

namespace fastermask {

// One closed outline: x0, y0, x1, y1, ... in absolute pixels, at least three points. The last point joins the first.
using Polygon = std::vector<double>;

// One instance: the union of its polygons.
using Polygons = std::vector<Polygon>;

// Run-length encoding over columns (y runs fastest), as COCO has it: lengths of alternating runs of 0 and 1, beginning
// with 0. The lengths add up to height * width.
struct Rle {
  int height = 0;
  int width = 0;
  std::vector<std::uint32_t> counts;
};

inline bool operator==(const Rle& a, const Rle& b) {
  return a.height == b.height && a.width == b.width && a.counts == b.counts;
}

// A bitmap of 0 and 1, one byte a pixel, row by row.
struct BitMask {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;  // [height * width]

  BitMask() = default;
  BitMask(int mask_height, int mask_width)
      : height(mask_height), width(mask_width),
        pixels(static_cast<std::size_t>(mask_height) * static_cast<std::size_t>(mask_width)) {}

  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width); }
  const std::uint8_t* row(int y) const {
    return pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width);
  }
};

// What a data set may give for an instance's mask; monostate: nothing.
using Segmentation = std::variant<std::monostate, Polygons, Rle>;

}  // namespace fastermask
