// Polygons: checks, bounds, area, and their masks by COCO's rule.
#include "fastermask/kernels/polygon.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/kernels/polygon_edges.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

constexpr double kLargestCoordinate = 1e6;

// Runs of the mask that changes value at each of the positions, which rise.
Rle rle_from_boundaries(const std::vector<std::uint32_t>& boundaries, int height, int width) {
  const std::uint32_t pixels = static_cast<std::uint32_t>(height) * static_cast<std::uint32_t>(width);
  Rle rle;
  rle.height = height;
  rle.width = width;
  rle.counts.resize(boundaries.size() + 1);
  std::uint32_t* out = rle.counts.data();
  std::uint32_t previous = 0;
  for (std::size_t i = 0; i < boundaries.size() && boundaries[i] < pixels;) {
    std::size_t end = i + 1;
    while (end < boundaries.size() && boundaries[end] == boundaries[i]) ++end;
    if ((end - i) % 2 == 1) {
      *out++ = boundaries[i] - previous;
      previous = boundaries[i];
    }
    i = end;
  }
  *out++ = pixels - previous;
  rle.counts.resize(static_cast<std::size_t>(out - rle.counts.data()));
  return rle;
}

void check_raster_size(int height, int width) {
  if (height < 0 || width < 0 || static_cast<std::int64_t>(height) * width > 0xffffffffll) {
    fail<DataError>("polygon: the mask's size must not be negative nor exceed 2^32 - 1 pixels, got {} x {}", height,
                    width);
  }
}

}  // namespace

void check_polygon(Span<const double> polygon, std::string_view where) {
  if (polygon.size() < 6 || polygon.size() % 2 != 0) {
    fail<DataError>("{}: a polygon needs at least 6 numbers, an even count, got {}", where, polygon.size());
  }
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    if (!(std::abs(polygon[i]) <= kLargestCoordinate)) {
      fail<DataError>("{}: a polygon's numbers must be finite and within 1e6 of zero, got {} at place {}", where,
                      polygon[i], i);
    }
  }
}

Box polygons_bounding_box(const Polygons& polygons) {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  bool first = true;
  for (const Polygon& polygon : polygons) {
    for (std::size_t i = 0; i + 1 < polygon.size(); i += 2) {
      x1 = first ? polygon[i] : std::min(x1, polygon[i]);
      y1 = first ? polygon[i + 1] : std::min(y1, polygon[i + 1]);
      x2 = first ? polygon[i] : std::max(x2, polygon[i]);
      y2 = first ? polygon[i + 1] : std::max(y2, polygon[i + 1]);
      first = false;
    }
  }
  return {static_cast<float>(x1), static_cast<float>(y1), static_cast<float>(x2), static_cast<float>(y2)};
}

double polygons_area(const Polygons& polygons) {
  double area = 0;
  for (const Polygon& polygon : polygons) {
    double twice = 0;
    const std::size_t points = polygon.size() / 2;
    for (std::size_t i = 0; i < points; ++i) {
      const std::size_t next = i + 1 == points ? 0 : i + 1;
      twice += polygon[2 * i] * polygon[2 * next + 1] - polygon[2 * i + 1] * polygon[2 * next];
    }
    area += 0.5 * std::abs(twice);
  }
  return area;
}

void fill_polygon_columns(Span<const double> polygon, int height, int width, std::uint8_t* columns) {
  thread_local std::vector<std::uint32_t> boundaries;
  find_polygon_boundaries(polygon, height, width, boundaries);
  const std::uint32_t pixels = static_cast<std::uint32_t>(height) * static_cast<std::uint32_t>(width);
  for (std::size_t i = 0; i < boundaries.size(); i += 2) {
    const std::uint32_t end = i + 1 < boundaries.size() ? boundaries[i + 1] : pixels;
    std::memset(columns + boundaries[i], 1, end - boundaries[i]);
  }
}

Rle polygon_to_rle(Span<const double> values, int height, int width) {
  check_polygon(values, "polygon");
  check_raster_size(height, width);
  thread_local std::vector<std::uint32_t> boundaries;
  find_polygon_boundaries(values, height, width, boundaries);
  return rle_from_boundaries(boundaries, height, width);
}

Rle polygons_to_rle(const Polygons& polygons, int height, int width) {
  check_raster_size(height, width);
  std::vector<Rle> masks;
  masks.reserve(polygons.size());
  for (const Polygon& polygon : polygons) masks.push_back(polygon_to_rle(polygon, height, width));
  if (masks.empty()) {
    return Rle{height, width, {static_cast<std::uint32_t>(height) * static_cast<std::uint32_t>(width)}};
  }
  return rle_merge(masks);
}

Rle box_to_rle(const std::array<double, 4>& xywh, int height, int width) {
  const double x1 = xywh[0];
  const double y1 = xywh[1];
  const double x2 = x1 + xywh[2];
  const double y2 = y1 + xywh[3];
  const std::array<double, 8> corners = {x1, y1, x1, y2, x2, y2, x2, y1};
  return polygon_to_rle(corners, height, width);
}

}  // namespace fastermask
