// COCO's polygon rule (cocoapi common/maskApi.c rleFrPoly), computed per column instead of per step of the walk.
//
// The rule: vertices are scaled by 5 and truncated to a grid; each edge is walked one step at a time along its longer
// axis, rounding the other coordinate. Where the walk passes between grid columns 5x + 2 and 5x + 3, pixel column x
// has a boundary, at the smaller of the two y. Only those steps matter, so only they are computed here.
#include "fastermask/kernels/polygon_edges.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace fastermask {
namespace {

constexpr int kFineScale = 5;
constexpr std::int64_t kFineCentre = 2;  // fine column left of the middle of a pixel

struct FinePoint {
  std::int64_t x;
  std::int64_t y;
};

FinePoint fine_point(double x, double y) {
  return {static_cast<std::int64_t>(kFineScale * x + 0.5), static_cast<std::int64_t>(kFineScale * y + 0.5)};
}

// First pixel row at or below a fine row, limited to [0, height].
std::uint32_t pixel_row(std::int64_t fine_y, int height) {
  const double y = (static_cast<double>(fine_y) + 0.5) / kFineScale - 0.5;
  if (y < 0) return 0;
  return static_cast<std::uint32_t>(y > height ? height : std::ceil(y));
}

// Rounds as the rule does: truncation after adding a half.
std::int64_t walk_round(std::int64_t start, double slope, std::int64_t step) {
  return static_cast<std::int64_t>(static_cast<double>(start) + slope * static_cast<double>(step) + 0.5);
}

// Pixel columns whose middle lies between fine columns a and b: [first, end), within the image.
std::pair<std::int64_t, std::int64_t> columns_between(std::int64_t a, std::int64_t b, int width) {
  const std::int64_t low = std::max<std::int64_t>(std::min(a, b), 0);
  const std::int64_t high = std::max(a, b);
  const std::int64_t first = (low - kFineCentre + kFineScale - 1) / kFineScale;                    // 5x + 2 >= low
  const std::int64_t end = high < kFineCentre + 1 ? 0 : (high - kFineCentre - 1) / kFineScale + 1;  // 5x + 3 <= high
  return {first, std::min<std::int64_t>(end, width)};
}

// An edge at least as wide as high; from.x <= to.x. The walk steps along x.
template <class Emit>
void cross_flat_edge(FinePoint from, FinePoint to, int width, const Emit& emit) {
  const std::int64_t length = to.x - from.x;
  if (length == 0) return;
  const double slope = static_cast<double>(to.y - from.y) / static_cast<double>(length);
  const auto columns = columns_between(from.x, to.x, width);
  for (std::int64_t x = columns.first; x < columns.second; ++x) {
    const std::int64_t step = kFineScale * x + kFineCentre - from.x;
    emit(x, std::min(walk_round(from.y, slope, step), walk_round(from.y, slope, step + 1)));
  }
}

// An edge higher than wide; from.y < to.y. The walk steps along y, so each column's crossing step must be found.
template <class Emit>
void cross_steep_edge(FinePoint from, FinePoint to, int width, const Emit& emit) {
  const std::int64_t length = to.y - from.y;
  if (from.x == to.x) return;
  const double slope = static_cast<double>(to.x - from.x) / static_cast<double>(length);
  const auto columns = columns_between(from.x, to.x, width);
  for (std::int64_t x = columns.first; x < columns.second; ++x) {
    const std::int64_t right = kFineScale * x + kFineCentre + 1;
    // Whether the walk has crossed the middle of column x after so many steps.
    const auto crossed = [&](std::int64_t step) {
      const bool is_right = walk_round(from.x, slope, step) >= right;
      return is_right == (slope > 0);
    };
    const double estimate = (static_cast<double>(right) - 0.5 - static_cast<double>(from.x)) / slope;
    std::int64_t step = static_cast<std::int64_t>(std::min(std::max(estimate, 1.0), static_cast<double>(length)));
    while (step > 1 && crossed(step - 1)) --step;
    while (step < length && !crossed(step)) ++step;
    emit(x, from.y + step - 1);
  }
}

}  // namespace

void append_polygon_boundaries(Span<const double> polygon, int height, int width,
                               std::vector<std::uint32_t>& boundaries) {
  const std::size_t points = polygon.size() / 2;
  if (points == 0 || height <= 0 || width <= 0) return;
  const auto emit = [&](std::int64_t x, std::int64_t fine_y) {
    const std::uint32_t column_start = static_cast<std::uint32_t>(x) * static_cast<std::uint32_t>(height);
    boundaries.push_back(column_start + pixel_row(fine_y, height));
  };
  FinePoint previous = fine_point(polygon[2 * points - 2], polygon[2 * points - 1]);
  for (std::size_t i = 0; i < points; ++i) {
    const FinePoint point = fine_point(polygon[2 * i], polygon[2 * i + 1]);
    FinePoint from = previous;
    FinePoint to = point;
    if (std::abs(to.x - from.x) >= std::abs(to.y - from.y)) {
      if (from.x > to.x) std::swap(from, to);
      cross_flat_edge(from, to, width, emit);
    } else {
      if (from.y > to.y) std::swap(from, to);
      cross_steep_edge(from, to, width, emit);
    }
    previous = point;
  }
}

}  // namespace fastermask
