#include "fastermask/data/mask_outline.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace fastermask {
namespace {

// One 4-connected part of a mask, in a bitmap of the mask's size.
struct OutlinePart {
  BitMask pixels;
  int x_begin, x_end, y_begin, y_end;  // its bounds, ends excluded
};

// Removes the part that holds pixel (x, y) from `mask` and returns it.
OutlinePart take_part(BitMask& mask, int start_x, int start_y) {
  OutlinePart part{BitMask(mask.height, mask.width), start_x, start_x + 1, start_y, start_y + 1};
  std::vector<std::pair<int, int>> open = {{start_x, start_y}};
  mask.row(start_y)[start_x] = 0;
  while (!open.empty()) {
    const auto [x, y] = open.back();
    open.pop_back();
    part.pixels.row(y)[x] = 1;
    part.x_begin = std::min(part.x_begin, x);
    part.x_end = std::max(part.x_end, x + 1);
    part.y_begin = std::min(part.y_begin, y);
    part.y_end = std::max(part.y_end, y + 1);
    for (const auto& [dx, dy] : {std::pair{1, 0}, {-1, 0}, {0, 1}, {0, -1}}) {
      const int nx = x + dx;
      const int ny = y + dy;
      if (nx < 0 || ny < 0 || nx >= mask.width || ny >= mask.height || mask.row(ny)[nx] == 0) continue;
      mask.row(ny)[nx] = 0;
      open.emplace_back(nx, ny);
    }
  }
  return part;
}

// A column through a hole of the part, or -1: background that the outside does not reach (8-connected, as the part is
// 4).
int find_hole_column(const OutlinePart& part) {
  const int width = part.x_end - part.x_begin + 2;
  const int height = part.y_end - part.y_begin + 2;
  BitMask outside(height, width);  // the part's bounds with a margin of one pixel
  std::vector<std::pair<int, int>> open = {{0, 0}};
  outside.row(0)[0] = 1;
  const auto filled = [&](int x, int y) {
    const int px = x + part.x_begin - 1;
    const int py = y + part.y_begin - 1;
    return px >= part.x_begin && px < part.x_end && py >= part.y_begin && py < part.y_end &&
           part.pixels.row(py)[px] != 0;
  };
  while (!open.empty()) {
    const auto [x, y] = open.back();
    open.pop_back();
    for (int ny = std::max(y - 1, 0); ny <= std::min(y + 1, height - 1); ++ny) {
      for (int nx = std::max(x - 1, 0); nx <= std::min(x + 1, width - 1); ++nx) {
        if (outside.row(ny)[nx] != 0 || filled(nx, ny)) continue;
        outside.row(ny)[nx] = 1;
        open.emplace_back(nx, ny);
      }
    }
  }
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      if (outside.row(y)[x] == 0 && !filled(x, y)) return x + part.x_begin - 1;
    }
  }
  return -1;
}

// Walks around a part without holes, the part on the right hand, from its top left corner; corners only.
Polygon trace_part(const OutlinePart& part) {
  const auto set = [&part](int x, int y) {
    return x >= 0 && y >= 0 && x < part.pixels.width && y < part.pixels.height && part.pixels.row(y)[x] != 0;
  };
  int start_x = part.x_begin;
  while (!set(start_x, part.y_begin)) ++start_x;
  const int start_y = part.y_begin;
  int x = start_x;
  int y = start_y;
  int dx = 1;
  int dy = 0;
  Polygon outline;
  do {
    outline.push_back(x);
    outline.push_back(y);
    // The pixels ahead: on the right side of the walk, and on the left.
    bool right = true;
    bool left = false;
    while (right && !left) {
      x += dx;
      y += dy;
      right = set(x + (dx - dy - 1) / 2, y + (dx + dy - 1) / 2);
      left = set(x + (dx + dy - 1) / 2, y + (dy - dx - 1) / 2);
    }
    // Right ahead empty: turn right, also where pixels touch at a corner only (the part is 4-connected).
    if (!right) {
      std::swap(dx, dy);
      dx = -dx;
    } else {
      std::swap(dx, dy);
      dy = -dy;
    }
  } while (x != start_x || y != start_y);
  return outline;
}

void outline_part(OutlinePart part, Polygons& out) {
  const int column = find_hole_column(part);
  if (column < 0) {
    out.push_back(trace_part(part));
    return;
  }
  for (const auto& [begin, end] : {std::pair{part.x_begin, column + 1}, {column + 1, part.x_end}}) {
    BitMask side(part.pixels.height, part.pixels.width);
    for (int y = part.y_begin; y < part.y_end; ++y) {
      std::copy(part.pixels.row(y) + begin, part.pixels.row(y) + end, side.row(y) + begin);
    }
    for (Polygon& polygon : mask_outlines(side)) out.push_back(std::move(polygon));
  }
}

}  // namespace

Polygons mask_outlines(const BitMask& mask) {
  Polygons outlines;
  BitMask left = mask;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      if (left.row(y)[x] != 0) outline_part(take_part(left, x, y), outlines);
    }
  }
  return outlines;
}

}  // namespace fastermask
