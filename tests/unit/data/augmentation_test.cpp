// Transforms move pixels, boxes, polygons, masks and keypoints together.
#include "fastermask/data/augmentation.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "fastermask/data/polygon_clip.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing_support::message_of;
using testing_support::position_image;

TEST(Augmentation, TheShortEdgeIsChosenFromTheList) {
  AugmentationOptions options;
  options.min_sizes = {100, 200};
  std::set<int> seen;
  for (std::uint64_t i = 0; i < 40; ++i) {
    Random random(1, RandomPurpose::test, i);
    seen.insert(output_size(choose_transforms(options, {50, 80}, random), {50, 80}).height);
  }
  EXPECT_EQ(seen, (std::set<int>{100, 200}));
  options.min_size_range = true;
  options.min_sizes = {100, 104};
  seen.clear();
  for (std::uint64_t i = 0; i < 200; ++i) {
    Random random(1, RandomPurpose::test, i);
    seen.insert(output_size(choose_transforms(options, {50, 80}, random), {50, 80}).height);
  }
  EXPECT_EQ(seen, (std::set<int>{100, 101, 102, 103, 104}));
}

TEST(Augmentation, SizeZeroLeavesTheImageAlone) {
  AugmentationOptions options;
  options.min_sizes = {0};
  Random random(1, RandomPurpose::test);
  EXPECT_TRUE(choose_transforms(options, {50, 80}, random).empty());
}

TEST(Augmentation, HalfOfTheImagesAreFlipped) {
  AugmentationOptions options;
  options.flip = FlipMode::horizontal;
  int flipped = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Random random(1, RandomPurpose::test, i);
    flipped += flips_horizontally(choose_transforms(options, {50, 80}, random));
  }
  EXPECT_NEAR(flipped, 500, 60);
}

TEST(Augmentation, EveryKindOfCropHasItsSizeAndStaysInside) {
  AugmentationOptions options;
  options.min_sizes = {0};
  const ImageSize size{100, 200};
  const auto crops = [&](CropMode mode, double height, double width) {
    options.crop = mode;
    options.crop_height = height;
    options.crop_width = width;
    std::vector<CropTransform> all;
    for (std::uint64_t i = 0; i < 300; ++i) {
      Random random(1, RandomPurpose::test, i);
      all.push_back(std::get<CropTransform>(choose_transforms(options, size, random).at(0)));
      EXPECT_GE(all.back().x, 0);
      EXPECT_GE(all.back().y, 0);
      EXPECT_LE(all.back().x + all.back().to.width, size.width);
      EXPECT_LE(all.back().y + all.back().to.height, size.height);
    }
    return all;
  };
  for (const CropTransform& crop : crops(CropMode::relative, 0.9, 0.333)) EXPECT_EQ(crop.to, (ImageSize{90, 67}));
  for (const CropTransform& crop : crops(CropMode::absolute, 300, 50)) EXPECT_EQ(crop.to, (ImageSize{100, 50}));
  int smallest = 1000;
  int largest = 0;
  for (const CropTransform& crop : crops(CropMode::absolute_range, 20, 30)) {
    smallest = std::min(smallest, crop.to.height);
    largest = std::max(largest, crop.to.height);
  }
  EXPECT_EQ(smallest, 20);
  EXPECT_EQ(largest, 30);
  for (const CropTransform& crop : crops(CropMode::relative_range, 0.5, 0.8)) {
    EXPECT_GE(crop.to.height, 50);
    EXPECT_GE(crop.to.width, 160);
  }
}

TEST(Augmentation, WrongCropSizesAreRefused) {
  AugmentationOptions options;
  Random random(1, RandomPurpose::test);
  options.crop = CropMode::relative;
  options.crop_height = 1.5;
  EXPECT_EQ(message_of<ConfigError>([&] { choose_transforms(options, {9, 9}, random); }),
            "config: INPUT.CROP.SIZE must be shares in (0, 1] for relative crops, got (1.5, 0.9)");
  options.crop = CropMode::absolute;
  EXPECT_EQ(message_of<ConfigError>([&] { choose_transforms(options, {9, 9}, random); }),
            "config: INPUT.CROP.SIZE must be at least one pixel for absolute crops, got (1.5, 0.9)");
  options.crop = CropMode::absolute_range;
  EXPECT_EQ(message_of<ConfigError>([&] { choose_transforms(options, {9, 9}, random); }),
            "config: INPUT.CROP.SIZE must be (lowest, highest) in pixels for absolute_range, got (1.5, 0.9)");
  options.crop = CropMode::none;
  options.min_sizes = {};
  EXPECT_EQ(message_of<ConfigError>([&] { choose_transforms(options, {9, 9}, random); }),
            "config: INPUT.MIN_SIZE_TRAIN must name at least one size");
  options.min_size_range = true;
  options.min_sizes = {3, 2};
  EXPECT_EQ(message_of<ConfigError>([&] { choose_transforms(options, {9, 9}, random); }),
            "config: INPUT.MIN_SIZE_TRAIN must be (lowest, highest) when MIN_SIZE_TRAIN_SAMPLING is range");
}

// Crop (10, 5) of 40x30, shrink to 20x15, mirror: all by hand.
Transforms hand_made() {
  return {CropTransform{{50, 60}, 10, 5, {30, 40}}, ResizeTransform{{30, 40}, {15, 20}}, HorizontalFlip{{15, 20}}};
}

TEST(Augmentation, BoxesAndKeypointsFollow) {
  // x: (20 - 10) / 2 = 5, mirrored 20 - 5 = 15; (30 - 10) / 2 = 10 -> 10. y: (9 - 5) / 2 = 2, (25 - 5) / 2 = 10.
  EXPECT_THAT(apply_transforms(hand_made(), std::array<double, 4>{20, 9, 30, 25}), ElementsAre(10, 2, 15, 10));
  std::vector<Keypoint> keypoints = {{20, 9, 2}};
  apply_transforms(hand_made(), keypoints);
  EXPECT_EQ(keypoints[0].x, 15);
  EXPECT_EQ(keypoints[0].y, 2);
  EXPECT_EQ(output_size(hand_made(), {50, 60}), (ImageSize{15, 20}));
  EXPECT_TRUE(flips_horizontally(hand_made()));
}

TEST(Augmentation, PixelsFollow) {
  const Image image = apply_transforms({CropTransform{{50, 60}, 10, 5, {30, 40}}, HorizontalFlip{{30, 40}}},
                                       position_image(50, 60));
  ASSERT_EQ(image.size(), (ImageSize{30, 40}));
  EXPECT_EQ(image.row(0)[0], 49);  // x = 10 + 39
  EXPECT_EQ(image.row(3)[1], 8);   // y = 5 + 3
  const Image flipped = apply_transforms({VerticalFlip{{50, 60}}}, position_image(50, 60));
  EXPECT_EQ(flipped.row(0)[1], 49);
}

TEST(Augmentation, MasksFollowPixels) {
  BitMask mask(50, 60);
  for (int y = 9; y < 25; ++y) {
    for (int x = 20; x < 30; ++x) mask.row(y)[x] = 1;
  }
  const BitMask moved = rle_decode(apply_transforms(hand_made(), rle_encode(mask)));
  ASSERT_EQ(moved.height, 15);
  ASSERT_EQ(moved.width, 20);
  for (int y = 0; y < 15; ++y) {
    for (int x = 0; x < 20; ++x) {
      EXPECT_EQ(moved.row(y)[x], x >= 10 && x < 15 && y >= 2 && y < 10) << x << "," << y;
    }
  }
}

TEST(Augmentation, PolygonsAreCutAtTheCrop) {
  const Polygons square = {{0, 0, 20, 0, 20, 20, 0, 20}};
  const Polygons cut = apply_transforms({CropTransform{{50, 60}, 10, 5, {30, 40}}}, square);
  ASSERT_EQ(cut.size(), 1u);
  EXPECT_EQ(polygons_bounding_box(cut), (Box{0, 0, 10, 15}));
  EXPECT_DOUBLE_EQ(polygons_area(cut), 150);
  EXPECT_TRUE(apply_transforms({CropTransform{{50, 60}, 20, 5, {30, 40}}}, square).empty()) << "touching is not inside";
}

TEST(PolygonClip, AConcavePolygonFallsIntoItsParts) {
  // A comb with two teeth that reach into [0, 10] x [0, 10] from below the edge y = 10.
  const Polygon comb = {1, 2, 3, 2, 3, 12, 6, 12, 6, 4, 8, 4, 8, 14, 1, 14};
  const Polygons parts = clip_polygon(comb, 10, 10);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_DOUBLE_EQ(polygons_area({parts[0]}) + polygons_area({parts[1]}), 2 * 8 + 2 * 6);
  for (const Polygon& part : parts) EXPECT_EQ(part.size(), 8u);
}

TEST(PolygonClip, PolygonsInsideStayAsTheyAre) {
  const Polygon inside = {0, 0, 10, 0, 10, 10, 0, 10};
  EXPECT_THAT(clip_polygon(inside, 10, 10), ElementsAre(inside));
  EXPECT_TRUE(clip_polygon({11, 11, 12, 11, 12, 12}, 10, 10).empty());
}

TEST(PolygonClip, RandomStarsKeepTheAreaThatTheirPixelsHave) {
  // The clipped area must equal the area of the polygon's fine raster inside the rectangle.
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Random random(5, RandomPurpose::test, trial);
    Polygon star;
    const int corners = 5 + static_cast<int>(random.uniform_int(9));
    const double cx = random.uniform(-50, 350);
    const double cy = random.uniform(-50, 350);
    for (int i = 0; i < corners; ++i) {
      const double radius = random.uniform(30, 200);
      const double angle = 6.283185307179586 * i / corners;
      star.push_back(cx + radius * std::cos(angle));
      star.push_back(cy + radius * std::sin(angle));
    }
    const Polygons parts = clip_polygon(star, 300, 300);
    double area = 0;
    for (const Polygon& part : parts) {
      area += polygons_area({part});
      const Box box = polygons_bounding_box({part});
      EXPECT_GE(box.x1, -1e-9);
      EXPECT_LE(box.y2, 300 + 1e-9);
    }
    int inside = 0;
    for (int y = 0; y < 300; y += 2) {
      for (int x = 0; x < 300; x += 2) {
        bool odd = false;
        for (std::size_t i = 0, j = star.size() - 2; i < star.size(); j = i, i += 2) {
          const double py = y + 1.0;
          if ((star[i + 1] > py) != (star[j + 1] > py) &&
              x + 1.0 < (star[j] - star[i]) * (py - star[i + 1]) / (star[j + 1] - star[i + 1]) + star[i]) {
            odd = !odd;
          }
        }
        inside += odd;
      }
    }
    EXPECT_NEAR(area, 4.0 * inside, 0.02 * area + 200) << trial;
  }
}

}  // namespace
}  // namespace fastermask
