#include "fastermask/data/polygon_clip.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace fastermask {
namespace {

// The half plane where sign * (coordinate - bound) > 0; axis 0 is x, 1 is y.
struct HalfPlane {
  std::size_t axis;
  double bound;
  double sign;

  double distance(const Polygon& polygon, std::size_t point) const {
    return sign * (polygon[2 * point + axis] - bound);
  }
};

// A stretch of the outline inside the half plane, from where it enters to where it leaves.
struct InsideChain {
  Polygon points;
  double enters_at = 0;  // along the cutting line
  double leaves_at = 0;
};

// Appends the point where edge a-b meets the line, and returns its place along it.
double append_crossing(const Polygon& polygon, std::size_t a, std::size_t b, const HalfPlane& plane, Polygon& out) {
  const double from = plane.distance(polygon, a);
  const double to = plane.distance(polygon, b);
  const double t = from / (from - to);
  const std::size_t other = 1 - plane.axis;
  const double along = polygon[2 * a + other] + t * (polygon[2 * b + other] - polygon[2 * a + other]);
  const std::size_t at = out.size();
  out.resize(at + 2);
  out[at + plane.axis] = plane.bound;
  out[at + other] = along;
  return along;
}

std::vector<InsideChain> find_chains(const Polygon& polygon, const HalfPlane& plane, std::size_t first_outside) {
  const std::size_t count = polygon.size() / 2;
  std::vector<InsideChain> chains;
  bool was_inside = false;
  for (std::size_t step = 1; step <= count; ++step) {
    const std::size_t previous = (first_outside + step - 1) % count;
    const std::size_t point = (first_outside + step) % count;
    const bool inside = plane.distance(polygon, point) > 0;
    if (inside && !was_inside) {
      chains.emplace_back();
      chains.back().enters_at = append_crossing(polygon, previous, point, plane, chains.back().points);
    }
    if (inside) {
      chains.back().points.insert(chains.back().points.end(), {polygon[2 * point], polygon[2 * point + 1]});
    } else if (was_inside) {
      chains.back().leaves_at = append_crossing(polygon, previous, point, plane, chains.back().points);
    }
    was_inside = inside;
  }
  return chains;
}

// Joins the chains into closed outlines: along the cutting line, inside lies between the 1st and 2nd crossing, the 3rd
// and 4th, and so on, so each end is joined to its neighbour there.
Polygons close_chains(const std::vector<InsideChain>& chains) {
  struct Crossing {
    double along;
    std::size_t chain;
    bool enters;
  };
  std::vector<Crossing> crossings;
  for (std::size_t i = 0; i < chains.size(); ++i) {
    crossings.push_back({chains[i].enters_at, i, true});
    crossings.push_back({chains[i].leaves_at, i, false});
  }
  std::stable_sort(crossings.begin(), crossings.end(),
                   [](const Crossing& a, const Crossing& b) { return a.along < b.along; });
  // partner[2 * chain + enters]: the crossing that a chain's end is joined with.
  std::vector<std::pair<std::size_t, bool>> partner(2 * chains.size());
  for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
    const Crossing& a = crossings[i];
    const Crossing& b = crossings[i + 1];
    partner[2 * a.chain + (a.enters ? 1 : 0)] = {b.chain, b.enters};
    partner[2 * b.chain + (b.enters ? 1 : 0)] = {a.chain, a.enters};
  }
  Polygons closed;
  std::vector<bool> used(chains.size());
  for (std::size_t start = 0; start < chains.size(); ++start) {
    if (used[start]) continue;
    Polygon outline;
    std::size_t chain = start;
    bool forward = true;
    while (!used[chain]) {
      used[chain] = true;
      const Polygon& points = chains[chain].points;
      for (std::size_t k = 0; k < points.size() / 2; ++k) {
        const std::size_t at = forward ? 2 * k : points.size() - 2 * k - 2;
        outline.insert(outline.end(), {points[at], points[at + 1]});
      }
      const auto [next, enters] = partner[2 * chain + (forward ? 0 : 1)];
      chain = next;
      forward = enters;
    }
    closed.push_back(std::move(outline));
  }
  return closed;
}

Polygons cut_at(const Polygon& polygon, const HalfPlane& plane) {
  const std::size_t count = polygon.size() / 2;
  std::size_t outside = count;
  bool any_inside = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (plane.distance(polygon, i) > 0) {
      any_inside = true;
    } else if (outside == count || plane.distance(polygon, i) < 0) {
      outside = i;
    }
  }
  if (!any_inside) return {};
  const bool none_beyond = outside == count || plane.distance(polygon, outside) >= 0;
  if (none_beyond) return {polygon};
  return close_chains(find_chains(polygon, plane, outside));
}

bool has_area(const Polygon& polygon) {
  double twice_area = 0;
  const std::size_t count = polygon.size() / 2;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t j = (i + 1) % count;
    twice_area += polygon[2 * i] * polygon[2 * j + 1] - polygon[2 * j] * polygon[2 * i + 1];
  }
  return count >= 3 && std::abs(twice_area) > 1e-9;
}

}  // namespace

Polygons clip_polygon(const Polygon& polygon, double width, double height) {
  Polygons parts = {polygon};
  for (const HalfPlane& plane :
       {HalfPlane{0, 0, 1}, HalfPlane{0, width, -1}, HalfPlane{1, 0, 1}, HalfPlane{1, height, -1}}) {
    Polygons remaining;
    for (const Polygon& part : parts) {
      for (Polygon& piece : cut_at(part, plane)) remaining.push_back(std::move(piece));
    }
    parts = std::move(remaining);
  }
  parts.erase(std::remove_if(parts.begin(), parts.end(), [](const Polygon& part) { return !has_area(part); }),
              parts.end());
  return parts;
}

}  // namespace fastermask
