#include "fastermask/data/polygon_check.h"

#include <algorithm>
#include <cstddef>

namespace fastermask {
namespace {

// Twice the area of the triangle a, b, c: positive when c lies on one side of a-b, negative on the other.
double side_of(const double* a, const double* b, const double* c) {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

bool edges_cross(const double* a, const double* b, const double* c, const double* d) {
  if (std::max(a[0], b[0]) < std::min(c[0], d[0]) || std::max(c[0], d[0]) < std::min(a[0], b[0])) return false;
  return side_of(a, b, c) * side_of(a, b, d) < 0 && side_of(c, d, a) * side_of(c, d, b) < 0;
}

}  // namespace

bool crosses_itself(const Polygon& polygon) {
  const std::size_t count = polygon.size() / 2;
  const double* points = polygon.data();
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 2; j < count; ++j) {
      if (i == 0 && j == count - 1) continue;  // neighbours around the end
      if (edges_cross(points + 2 * i, points + 2 * (i + 1), points + 2 * j, points + 2 * ((j + 1) % count)))
        return true;
    }
  }
  return false;
}

}  // namespace fastermask
