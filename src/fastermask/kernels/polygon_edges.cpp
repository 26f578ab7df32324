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

// Boundaries of one pixel column that have a place without sorting; more are rare.
constexpr std::uint32_t kSlots = 8;

FinePoint fine_point(double x, double y) {
  return {static_cast<std::int64_t>(kFineScale * x + 0.5), static_cast<std::int64_t>(kFineScale * y + 0.5)};
}

// First pixel row at or below a fine row, limited to [0, height]: ceil((fine_y + 0.5) / 5 - 0.5).
std::uint32_t pixel_row(std::int64_t fine_y, int height) {
  const std::int64_t y = fine_y < kFineCentre ? 0 : (fine_y + kFineCentre) / kFineScale;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(y, height));
}

// Rounds as the rule does: truncation after adding a half.
std::int64_t walk_round(std::int64_t start, double slope, std::int64_t step) {
  return static_cast<std::int64_t>(static_cast<double>(start) + slope * static_cast<double>(step) + 0.5);
}

// Pixel columns whose middle lies between fine columns a and b: [first, end), within the image.
std::pair<std::int64_t, std::int64_t> columns_between(std::int64_t a, std::int64_t b, int width) {
  const std::int64_t low = std::max<std::int64_t>(std::min(a, b), 0);
  const std::int64_t high = std::max(a, b);
  const std::int64_t first = (low - kFineCentre + kFineScale - 1) / kFineScale;                     // 5x + 2 >= low
  const std::int64_t end = high < kFineCentre + 1 ? 0 : (high - kFineCentre - 1) / kFineScale + 1;  // 5x + 3 <= high
  return {first, std::min<std::int64_t>(end, width)};
}

// An edge at least as wide as high; from.x <= to.x. The walk steps along x.
template <class Emit>
void cross_flat_edge(FinePoint from, FinePoint to, int width, const Emit& emit) {
  const std::int64_t length = to.x - from.x;
  const auto columns = columns_between(from.x, to.x, width);
  if (columns.first >= columns.second) return;  // as many short edges, and those of length 0, do
  const double slope = static_cast<double>(to.y - from.y) / static_cast<double>(length);
  const std::int64_t smaller = slope < 0 ? 1 : 0;  // of the two steps, the one at which y is smaller
  std::int64_t step = kFineScale * columns.first + kFineCentre - from.x + smaller;
  for (std::int64_t x = columns.first; x < columns.second; ++x, step += kFineScale) {
    emit(x, walk_round(from.y, slope, step));
  }
}

// An edge higher than wide; from.y < to.y. The walk steps along y, so each column's crossing step must be found.
template <class Emit>
void cross_steep_edge(FinePoint from, FinePoint to, int width, const Emit& emit) {
  const std::int64_t length = to.y - from.y;
  const auto columns = columns_between(from.x, to.x, width);
  if (columns.first >= columns.second) return;
  const double slope = static_cast<double>(to.x - from.x) / static_cast<double>(length);
  const double steps_each = 1 / slope;
  for (std::int64_t x = columns.first; x < columns.second; ++x) {
    const std::int64_t right = kFineScale * x + kFineCentre + 1;
    // Whether the walk has crossed the middle of column x after so many steps.
    const auto crossed = [&](std::int64_t step) {
      const bool is_right = walk_round(from.x, slope, step) >= right;
      return is_right == (slope > 0);
    };
    const double estimate = (static_cast<double>(right) - 0.5 - static_cast<double>(from.x)) * steps_each;
    std::int64_t step = static_cast<std::int64_t>(std::min(std::max(estimate, 1.0), static_cast<double>(length)));
    while (step > 1 && crossed(step - 1)) --step;
    while (step < length && !crossed(step)) ++step;
    emit(x, from.y + step - 1);
  }
}

// Boundaries dealt to their columns as they come: there are few in each, most often two, so that sorting them all is
// hardly any work.
class ColumnBoundaries {
 public:
  // Raw pointers, by value in the inner loops: the compiler then keeps them in registers.
  struct Slots {
    std::uint32_t* counts;  // [columns] of rows in use
    std::uint32_t* rows;    // [columns, kSlots]
    std::int64_t first;
    int height;
    std::vector<std::uint32_t>* spilled;  // positions that found no slot

    void operator()(std::int64_t x, std::int64_t fine_y) const {
      const std::int64_t column = x - first;
      const std::uint32_t row = pixel_row(fine_y, height);
      const std::uint32_t count = counts[column];
      if (count < kSlots) {
        rows[column * kSlots + count] = row;
        counts[column] = count + 1;
      } else {
        spilled->push_back(static_cast<std::uint32_t>(x) * static_cast<std::uint32_t>(height) + row);
      }
    }
  };

  Slots begin(std::int64_t first, std::int64_t end, int height) {
    first_ = first;
    height_ = height;
    counts_.assign(static_cast<std::size_t>(std::max<std::int64_t>(end - first, 0)), 0);
    if (rows_.size() < counts_.size() * kSlots) rows_.resize(counts_.size() * kSlots);
    spilled_.clear();
    return {counts_.data(), rows_.data(), first, height, &spilled_};
  }

  // Writes all positions, rising. A column's last may equal the next one's first.
  void finish(std::vector<std::uint32_t>& positions) {
    if (positions.size() < counts_.size() * kSlots) positions.resize(counts_.size() * kSlots);
    std::uint32_t* out = positions.data();
    std::uint32_t* rows = rows_.data();
    std::uint32_t start = static_cast<std::uint32_t>(first_) * static_cast<std::uint32_t>(height_);
    for (const std::uint32_t count : counts_) {
      if (count == 2) {
        *out++ = start + std::min(rows[0], rows[1]);
        *out++ = start + std::max(rows[0], rows[1]);
      } else {
        std::sort(rows, rows + count);
        for (std::uint32_t i = 0; i < count; ++i) *out++ = start + rows[i];
      }
      rows += kSlots;
      start += static_cast<std::uint32_t>(height_);
    }
    positions.resize(static_cast<std::size_t>(out - positions.data()));
    if (spilled_.empty()) return;
    positions.insert(positions.end(), spilled_.begin(), spilled_.end());
    std::sort(positions.begin(), positions.end());
  }

 private:
  std::int64_t first_ = 0;
  int height_ = 0;
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> rows_;
  std::vector<std::uint32_t> spilled_;
};

// Each thread keeps its own from one polygon to the next.
struct Workspace {
  std::vector<FinePoint> points;
  ColumnBoundaries columns;
};

// Apart from its caller so that the thread's workspace is looked up once a polygon.
[[gnu::noinline]] void find_boundaries(Span<const double> polygon, int height, int width, Workspace& workspace,
                                       std::vector<std::uint32_t>& positions) {
  const std::size_t count = polygon.size() / 2;
  workspace.points.resize(count);
  FinePoint* points = workspace.points.data();
  std::int64_t low = fine_point(polygon[0], polygon[1]).x;
  std::int64_t high = low;
  for (std::size_t i = 0; i < count; ++i) {
    points[i] = fine_point(polygon[2 * i], polygon[2 * i + 1]);
    low = std::min(low, points[i].x);
    high = std::max(high, points[i].x);
  }
  const auto range = columns_between(low, high, width);
  const ColumnBoundaries::Slots emit = workspace.columns.begin(range.first, range.second, height);
  FinePoint previous = points[count - 1];
  for (std::size_t i = 0; i < count; ++i) {
    FinePoint from = previous;
    FinePoint to = points[i];
    previous = to;
    if (std::abs(to.x - from.x) >= std::abs(to.y - from.y)) {
      if (from.x > to.x) std::swap(from, to);
      cross_flat_edge(from, to, width, emit);
    } else {
      if (from.y > to.y) std::swap(from, to);
      cross_steep_edge(from, to, width, emit);
    }
  }
  workspace.columns.finish(positions);
}

}  // namespace

void find_polygon_boundaries(Span<const double> polygon, int height, int width, std::vector<std::uint32_t>& positions) {
  thread_local Workspace workspace;
  if (polygon.size() < 2 || height <= 0 || width <= 0) {
    positions.clear();
    return;
  }
  find_boundaries(polygon, height, width, workspace, positions);
}

}  // namespace fastermask
