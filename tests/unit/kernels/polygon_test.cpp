// Polygons: COCO's rasterising rule against a step-by-step walk, bounds, area, errors.
#include "fastermask/kernels/polygon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// The rule as it is defined: every step of every edge on the fine grid, then the boundaries between fine columns.
Rle walked_polygon(const Polygon& polygon, int height, int width) {
  const std::size_t points = polygon.size() / 2;
  std::vector<long> u;
  std::vector<long> v;
  for (std::size_t i = 0; i < points; ++i) {
    const std::size_t j = (i + 1) % points;
    long x0 = static_cast<long>(5 * polygon[2 * i] + 0.5), y0 = static_cast<long>(5 * polygon[2 * i + 1] + 0.5);
    long x1 = static_cast<long>(5 * polygon[2 * j] + 0.5), y1 = static_cast<long>(5 * polygon[2 * j + 1] + 0.5);
    const long dx = std::abs(x1 - x0), dy = std::abs(y1 - y0);
    const bool along_x = dx >= dy;
    const bool backwards = along_x ? x0 > x1 : y0 > y1;
    if (backwards) {
      std::swap(x0, x1);
      std::swap(y0, y1);
    }
    const long steps = std::max(dx, dy);
    const double slope = steps == 0 ? 0 : along_x ? static_cast<double>(y1 - y0) / static_cast<double>(dx)
                                                  : static_cast<double>(x1 - x0) / static_cast<double>(dy);
    for (long d = 0; d <= steps; ++d) {
      const long t = backwards ? steps - d : d;
      const double along = slope * static_cast<double>(t);
      u.push_back(along_x ? t + x0 : static_cast<long>(static_cast<double>(x0) + along + 0.5));
      v.push_back(along_x ? static_cast<long>(static_cast<double>(y0) + along + 0.5) : t + y0);
    }
  }
  std::vector<std::uint8_t> changes(static_cast<std::size_t>(height * width) + 1);
  for (std::size_t i = 1; i < u.size(); ++i) {
    if (u[i] == u[i - 1]) continue;
    const double x = (static_cast<double>(std::min(u[i], u[i - 1])) + 0.5) / 5 - 0.5;
    if (std::floor(x) != x || x < 0 || x > width - 1) continue;
    double y = (static_cast<double>(std::min(v[i], v[i - 1])) + 0.5) / 5 - 0.5;
    y = std::ceil(std::min(std::max(y, 0.0), static_cast<double>(height)));
    changes[static_cast<std::size_t>(x * height + y)] ^= 1;
  }
  BitMask mask(height, width);
  std::uint8_t inside = 0;
  for (int i = 0; i < height * width; ++i) {
    inside ^= changes[static_cast<std::size_t>(i)];
    mask.row(i % height)[i / height] = inside;
  }
  return rle_encode(mask);
}

TEST(Polygon, RasterisesAsTheStepByStepWalk) {
  Random random(1, RandomPurpose::test);
  std::uint64_t area = 0;
  for (int round = 0; round < 3000; ++round) {
    const int height = 1 + static_cast<int>(random.uniform_int(40));
    const int width = 1 + static_cast<int>(random.uniform_int(40));
    const bool snapped = random.bernoulli(0.5);  // coordinates on tenths and halves meet the ties of the rule
    Polygon polygon;
    const std::int64_t numbers = 2 * (3 + random.uniform_int(8));
    for (std::int64_t i = 0; i < numbers; ++i) {
      const double value = random.uniform(-15, 55);
      polygon.push_back(snapped ? std::round(value * 10) / 10 : value);
    }
    const Rle rle = polygon_to_rle(polygon, height, width);
    ASSERT_EQ(rle, walked_polygon(polygon, height, width)) << "round " << round;
    area += rle_area(rle);

    std::vector<std::uint8_t> columns(static_cast<std::size_t>(height * width));
    fill_polygon_columns(polygon, height, width, columns.data());
    const BitMask mask = rle_decode(rle);
    for (int i = 0; i < height * width; ++i) {
      ASSERT_EQ(columns[static_cast<std::size_t>(i)], mask.row(i % height)[i / height]) << "round " << round;
    }
  }
  EXPECT_GT(area, 100000u);
}

TEST(Polygon, DuplicatedAndCollinearPointsDoNoHarm) {
  const Polygon polygon = {2, 2, 2, 2, 10, 2, 10, 2, 10, 9, 2, 9, 2, 2};
  EXPECT_EQ(polygon_to_rle(polygon, 12, 12), walked_polygon(polygon, 12, 12));
  EXPECT_EQ(rle_area(polygon_to_rle(Polygon{1, 1, 5, 5, 9, 9}, 12, 12)), 0u);
}

TEST(Polygon, HugeCoordinatesCostNoTime) {
  const Polygon polygon = {-1e6, -1e6, 1e6, -1e6, 1e6, 1e6, -1e6, 1e6};
  EXPECT_EQ(rle_area(polygon_to_rle(polygon, 50, 60)), 3000u);
}

TEST(Polygon, UnionOfAnInstancesParts) {
  const Polygons polygons = {{1, 1, 5, 1, 5, 5, 1, 5}, {3, 3, 9, 3, 9, 9, 3, 9}, {12, 1, 14, 1, 14, 3, 12, 3}};
  std::vector<Rle> parts;
  for (const Polygon& polygon : polygons) parts.push_back(polygon_to_rle(polygon, 16, 16));
  EXPECT_EQ(polygons_to_rle(polygons, 16, 16), rle_merge(parts));
  EXPECT_EQ(polygons_to_rle({}, 4, 5), (Rle{4, 5, {20}}));
}

TEST(Polygon, BoxAsARle) {
  EXPECT_EQ(box_to_rle({0, 0, 64, 48}, 48, 64), (Rle{48, 64, {0, 48 * 64}}));
  EXPECT_EQ(rle_to_xywh(box_to_rle({3, 4, 20, 10}, 48, 64)), (std::array<double, 4>{3, 4, 20, 10}));
}

TEST(Polygon, AreaAndBounds) {
  const Polygons polygons = {{0, 0, 4, 0, 4, 3, 0, 3}, {10, 10, 10, 14, 13, 10}};
  EXPECT_DOUBLE_EQ(polygons_area(polygons), 12 + 6);
  EXPECT_EQ(polygons_bounding_box(polygons), (Box{0, 0, 13, 14}));
  EXPECT_EQ(polygons_bounding_box({}), (Box{0, 0, 0, 0}));
}

TEST(Polygon, MalformedPolygonsAreRefused) {
  const auto raster = [](Polygon polygon) { return [polygon] { polygon_to_rle(polygon, 10, 10); }; };
  EXPECT_THAT(raster({1, 2, 3, 4, 5}),
              ThrowsMessage<DataError>(HasSubstr("a polygon needs at least 6 numbers, an even count, got 5")));
  EXPECT_THAT(raster({1, 2, 3, 4, 5, 6, 7}), ThrowsMessage<DataError>(HasSubstr("an even count, got 7")));
  EXPECT_THAT(raster({1, 2, 3, std::numeric_limits<double>::quiet_NaN(), 5, 6}),
              ThrowsMessage<DataError>(HasSubstr("finite and within 1e6 of zero, got nan at place 3")));
  EXPECT_THAT(raster({1, 2, 3, 4, 2e6, 6}), ThrowsMessage<DataError>(HasSubstr("at place 4")));
  EXPECT_THAT([] { polygons_to_rle({}, -1, 5); }, ThrowsMessage<DataError>(HasSubstr("got -1 x 5")));
}

}  // namespace
}  // namespace fastermask
