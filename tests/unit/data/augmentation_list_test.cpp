// INPUT.AUGMENTATIONS: what each entry draws, and that image, boxes, masks and keypoints stay together through it.
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "fastermask/data/augmentation.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing_support::position_image;

Transforms chosen(const std::vector<std::string>& entries, ImageSize size, std::uint64_t place = 0) {
  AugmentationOptions options;
  options.list = parse_augmentations(entries);
  Random random(9, RandomPurpose::test, place);
  return choose_transforms(options, size, random);
}

TEST(AugmentationList, TakesThePlaceOfTheClassicKeys) {
  AugmentationOptions options;
  options.flip = FlipMode::horizontal;
  options.flip_probability = 1;
  options.list = parse_augmentations({"Resize((30, 40))"});
  Random random(9, RandomPurpose::test);
  const Transforms transforms = choose_transforms(options, {60, 60}, random);
  ASSERT_EQ(transforms.size(), 1u);
  EXPECT_EQ(output_size(transforms, {60, 60}), (ImageSize{30, 40}));
}

TEST(AugmentationList, ShortestEdgeIsChosenOrDrawn) {
  std::set<int> seen;
  for (std::uint64_t i = 0; i < 60; ++i) {
    seen.insert(output_size(chosen({"ResizeShortestEdge([10, 20, 40], 60, choice)"}, {50, 80}, i), {50, 80}).width);
  }
  EXPECT_EQ(seen, (std::set<int>{16, 32, 60})) << "64 exceeds max_size";
  seen.clear();
  for (std::uint64_t i = 0; i < 200; ++i) {
    seen.insert(output_size(chosen({"ResizeShortestEdge([100, 103])"}, {50, 80}, i), {50, 80}).height);
  }
  EXPECT_EQ(seen, (std::set<int>{100, 101, 102, 103}));
}

TEST(AugmentationList, ResizeScaleIsRelativeToTheLargestFit) {
  // The target at scale 0.5 is 32 x 48; 100 x 200 fits with factor min(0.32, 0.24).
  EXPECT_EQ(output_size(chosen({"ResizeScale(0.5, 0.5, 64, 96)"}, {100, 200}), {100, 200}), (ImageSize{24, 48}));
  // Halves go to the even neighbour: 5 * 0.5 = 2.5 -> 2, 15 * 0.5 = 7.5 -> 8.
  EXPECT_EQ(output_size(chosen({"ResizeScale(0.5, 0.5, 5, 15)"}, {5, 15}), {5, 15}), (ImageSize{2, 8}));
  int smallest = 1000;
  int largest = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const ImageSize size = output_size(chosen({"ResizeScale(0.1, 2.0, 100, 100)"}, {50, 50}, i), {50, 50});
    smallest = std::min(smallest, size.height);
    largest = std::max(largest, size.height);
  }
  EXPECT_LE(smallest, 12);
  EXPECT_GE(largest, 197);
}

TEST(AugmentationList, FixedSizeCropCutsAndPads) {
  std::set<int> places;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Transforms transforms = chosen({"FixedSizeCrop((20, 40), pad_value=7)"}, {30, 30}, i);
    ASSERT_EQ(transforms.size(), 2u);
    const auto& crop = std::get<CropTransform>(transforms[0]);
    EXPECT_EQ(crop.to, (ImageSize{20, 30}));
    EXPECT_EQ(crop.x, 0);
    places.insert(crop.y);
    const Image image = apply_transforms(transforms, position_image(30, 30));
    ASSERT_EQ(image.size(), (ImageSize{20, 40}));
    EXPECT_EQ(image.row(3)[3 * 29 + 1], crop.y + 3);
    EXPECT_EQ(image.row(3)[3 * 30], 7);
    EXPECT_EQ(image.row(19)[3 * 39 + 2], 7);
  }
  EXPECT_EQ(*places.begin(), 0);
  EXPECT_EQ(*places.rbegin(), 10);
  EXPECT_TRUE(chosen({"FixedSizeCrop((20, 40))"}, {20, 40}).empty());
  EXPECT_EQ(output_size(chosen({"FixedSizeCrop((20, 40), pad=False)"}, {30, 30}), {30, 30}), (ImageSize{20, 30}));
}

TEST(AugmentationList, WhatTheCropCutOffDoesNotComeBackInThePadding) {
  // The picture keeps x < 30 of a box up to 50 and is padded to 60.
  const Transforms transforms = {CropTransform{{20, 80}, 0, 0, {20, 30}}, PadTransform{{20, 30}, {20, 60}, 128}};
  EXPECT_THAT(apply_transforms(transforms, std::array<double, 4>{10, 5, 50, 15}), ElementsAre(10, 5, 30, 15));
  EXPECT_EQ(polygons_bounding_box(apply_transforms(transforms, Polygons{{10, 5, 50, 5, 50, 15, 10, 15}})),
            (Box{10, 5, 30, 15}));
  std::vector<Keypoint> keypoints = {{20, 10, 2}, {40, 10, 2}};
  apply_transforms(transforms, keypoints);
  EXPECT_EQ(keypoints[0].visibility, 2);
  EXPECT_EQ(keypoints[1].visibility, 0);
  EXPECT_EQ(output_size(transforms, {20, 80}), (ImageSize{20, 60}));
}

TEST(AugmentationList, FlipsComeAsOftenAsAsked) {
  int horizontal = 0;
  int vertical = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    for (const Transform& t :
         chosen({"RandomFlip(0.25)", "RandomFlip(0.75, horizontal=False, vertical=True)"}, {9, 9}, i)) {
      horizontal += std::holds_alternative<HorizontalFlip>(t);
      vertical += std::holds_alternative<VerticalFlip>(t);
    }
  }
  EXPECT_NEAR(horizontal, 250, 50);
  EXPECT_NEAR(vertical, 750, 50);
}

TEST(AugmentationList, AQuarterTurnIsExact) {
  // Anticlockwise: (x, y) -> (y, 60 - x), as OpenCV's matrices have it.
  const Transforms transforms = chosen({"RandomRotation([90], sample_style=choice)"}, {40, 60});
  ASSERT_EQ(output_size(transforms, {40, 60}), (ImageSize{60, 40}));
  const Image image = apply_transforms(transforms, position_image(40, 60));
  for (int y = 0; y < 60; ++y) {
    for (int x = 0; x < 40; ++x) {
      ASSERT_EQ(image.row(y)[3 * x], 59 - y);
      ASSERT_EQ(image.row(y)[3 * x + 1], x);
    }
  }
  const auto box = apply_transforms(transforms, std::array<double, 4>{10, 20, 25, 30});
  const std::array<double, 4> expected = {20, 35, 30, 50};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(box[i], expected[i], 1e-9);
  const Rle mask = apply_transforms(transforms, box_to_rle({10, 20, 15, 10}, 40, 60));
  EXPECT_EQ(mask, box_to_rle({20, 35, 10, 15}, 60, 40));
}

TEST(AugmentationList, TurnsHaveDetectron2sMatrices) {
  // RotationTransform(37, 53, 30) and RotationTransform(50, 50, 45, expand=False, center=(10, 20)) of detectron2, with
  // cv2 4.6: where (0, 0) and (10, 20) come to lie, and the matrix for pixels.
  const RotationTransform expanded = make_rotation({37, 53}, 30, true, nullptr);
  EXPECT_EQ(expanded.to, (ImageSize{59, 64}));
  const Transforms transforms = {expanded};
  std::vector<Keypoint> keypoints = {{0, 0, 2}, {10, 20, 2}};
  apply_transforms(transforms, keypoints);
  EXPECT_FLOAT_EQ(keypoints[0].x, -0.19967320028762714f);
  EXPECT_FLOAT_EQ(keypoints[0].y, 26.72853002998788f);
  EXPECT_FLOAT_EQ(keypoints[1].x, 18.46058083755676f);
  EXPECT_FLOAT_EQ(keypoints[1].y, 39.04903810567666f);
  EXPECT_THAT(expanded.pixels,
              testing::Pointwise(testing::DoubleNear(1e-12),
                                 AffineMap{0.8660254037844387, 0.49999999999999994, -0.016660498395404844,
                                           -0.49999999999999994, 0.8660254037844387, 26.411542731880104}));
  const std::array<double, 2> center = {10, 20};
  const RotationTransform about = make_rotation({50, 50}, 45, false, &center);
  EXPECT_EQ(about.to, (ImageSize{50, 50}));
  EXPECT_THAT(about.pixels, testing::Pointwise(testing::DoubleNear(1e-12),
                                               AffineMap{0.7071067811865476, 0.7071067811865475, -11.006096654409879,
                                                         -0.7071067811865475, 0.7071067811865476, 12.428932188134523}));
}

TEST(AugmentationList, AFullTurnIsNone) {
  EXPECT_TRUE(chosen({"RandomRotation([0, 360, -360], sample_style=choice)"}, {40, 60}).empty());
}

TEST(AugmentationList, AnglesAndCentresAreDrawn) {
  double smallest = 100;
  double largest = -100;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Transforms transforms =
        chosen({"RandomRotation([-10, 20], False, [[0.25, 0.5], [0.5, 0.5]])"}, {100, 100}, i);
    const auto& rotation = std::get<RotationTransform>(transforms.at(0));
    const double angle = std::asin(rotation.points[1]) * 180 / 3.14159265358979;
    smallest = std::min(smallest, angle);
    largest = std::max(largest, angle);
    // The centre stays where it is, on the line y = 50 between x = 25 and x = 50.
    const AffineMap& m = rotation.points;
    const double x = (m[2] * (1 - m[4]) + m[1] * m[5]) / ((1 - m[0]) * (1 - m[4]) - m[1] * m[3]);
    EXPECT_GE(x, 25 - 1e-3);
    EXPECT_LE(x, 50 + 1e-3);
  }
  EXPECT_NEAR(smallest, -10, 1);
  EXPECT_NEAR(largest, 20, 1);
}

TEST(AugmentationList, ColoursAreBlendsOfTheWholePicture) {
  Image image(1, 2);
  image.pixels = {50, 100, 200, 0, 10, 0};  // mean 60; B, G, R
  const auto coloured = [&](const char* entry) { return apply_transforms(chosen({entry}, {1, 2}), image).pixels; };
  EXPECT_THAT(coloured("RandomBrightness(1.5, 1.5)"), ElementsAre(75, 150, 255, 0, 15, 0));
  EXPECT_THAT(coloured("RandomContrast(0.5, 0.5)"), ElementsAre(55, 80, 130, 30, 35, 30));
  EXPECT_THAT(coloured("RandomSaturation(0.5, 0.5)"), ElementsAre(87, 112, 162, 2, 7, 2));
  EXPECT_THAT(coloured("RandomLighting(0)"), ElementsAre(50, 100, 200, 0, 10, 0));
}

TEST(AugmentationList, LightingIsAlongThePrincipalColours) {
  double squares = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const auto colour = std::get<ColourTransform>(chosen({"RandomLighting(10)"}, {1, 1}, i).at(0));
    squares += colour.shift[0] * colour.shift[0];
  }
  // Red: the weights' deviations are 10 * (0.2175, 0.0188, 0.0045), its parts of the vectors -0.5675, 0.7192, 0.4009.
  const double expected = std::pow(2.175 * 0.5675, 2) + std::pow(0.188 * 0.7192, 2) + std::pow(0.045 * 0.4009, 2);
  EXPECT_NEAR(squares / 2000, expected, 0.1 * expected);
  // Red is the last channel of BGR.
  ColourTransform red;
  red.kind = ColourTransform::Kind::lighting;
  red.shift = {20, 0, 0};
  EXPECT_THAT(apply_transforms({red}, Image(1, 1)).pixels, ElementsAre(0, 0, 20));
  red.red_first = true;
  EXPECT_THAT(apply_transforms({red}, Image(1, 1)).pixels, ElementsAre(20, 0, 0));
}

TEST(AugmentationList, RandomApplyAppliesAllOrNothing) {
  std::map<std::size_t, int> seen;
  for (std::uint64_t i = 0; i < 500; ++i) {
    ++seen[chosen({"RandomApply([RandomBrightness(0.5, 1.5), RandomContrast(0.5, 1.5)], prob=0.2)"}, {9, 9}, i).size()];
  }
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen[2], 100, 30);
}

TEST(AugmentationList, ResizingThePartThatStaysGivesTheSamePixels) {
  const Image image = position_image(40, 60);
  const ResizeTransform resize{{40, 60}, {75, 110}};
  const CropTransform crop{{75, 110}, 31, 12, {40, 50}};
  EXPECT_EQ(apply_transforms({resize, crop}, image).pixels,
            apply_transforms({crop}, apply_transforms({resize}, image)).pixels);
}

// A white star on black, with its polygon, its mask and its tips.
struct PaintedStar {
  Image image{120, 160};
  Polygons polygons;
  Rle mask;
  std::vector<Keypoint> tips;

  explicit PaintedStar(std::uint64_t seed) {
    Random random(seed, RandomPurpose::test);
    Polygon star;
    for (int i = 0; i < 10; ++i) {
      const double radius = i % 2 == 0 ? random.uniform(40, 55) : random.uniform(22, 30);
      const double angle = 0.6283185307179586 * i;
      star.push_back(80 + radius * std::cos(angle));
      star.push_back(60 + radius * std::sin(angle));
    }
    polygons = {star};
    mask = polygons_to_rle(polygons, 120, 160);
    const BitMask bits = rle_decode(mask);
    for (std::size_t i = 0; i < bits.pixels.size(); ++i) {
      for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = bits.pixels[i] != 0 ? 255 : 0;
    }
    for (std::size_t i = 0; i < star.size(); i += 4) {
      tips.push_back({static_cast<float>(star[i]), static_cast<float>(star[i + 1]), 2});
    }
  }
};

Rle white_pixels(const Image& image) {
  BitMask bits(image.height, image.width);
  for (std::size_t i = 0; i < bits.pixels.size(); ++i) bits.pixels[i] = image.pixels[3 * i] >= 128 ? 1 : 0;
  return rle_encode(bits);
}

double distance_to_outline(const Keypoint& point, const Polygons& polygons) {
  double nearest = 1e9;
  for (const Polygon& polygon : polygons) {
    for (std::size_t i = 0; i < polygon.size(); i += 2) {
      nearest = std::min(nearest, std::hypot(polygon[i] - point.x, polygon[i + 1] - point.y));
    }
  }
  return nearest;
}

TEST(AugmentationList, PictureMasksAndKeypointsStayTogether) {
  const std::vector<std::vector<std::string>> lists = {
      {"Resize((90, 200))"},
      {"ResizeShortestEdge([60, 240])"},
      {"ResizeScale(0.5, 2.0, 160, 160)", "FixedSizeCrop((160, 160), pad_value=0)"},
      {"RandomCrop(relative_range, (0.6, 0.6))"},
      {"RandomFlip(1)"},
      {"RandomFlip(1, horizontal=False, vertical=True)"},
      {"RandomRotation([-180, 180])"},
      {"RandomRotation([-180, 180], expand=False)"},
      {"RandomRotation([-60, 60], False, [[0.3, 0.3], [0.7, 0.7]])", "RandomFlip()"},
      {"RandomRotation([-30, 30])", "RandomCrop(relative_range, (0.7, 0.7))", "RandomFlip()",
       "ResizeScale(0.7, 1.5, 150, 150)", "FixedSizeCrop((150, 150), pad_value=0)", "RandomRotation([-20, 20], False)"},
  };
  for (std::size_t l = 0; l < lists.size(); ++l) {
    for (std::uint64_t place = 0; place < 12; ++place) {
      const PaintedStar star(place);
      const Transforms transforms = chosen(lists[l], star.image.size(), 1000 * l + place);
      const Image image = apply_transforms(transforms, star.image);
      const ImageSize size = output_size(transforms, star.image.size());
      ASSERT_EQ(image.size(), size);
      const Rle painted = white_pixels(image);
      const Rle mask = apply_transforms(transforms, star.mask);
      const Polygons polygons = apply_transforms(transforms, star.polygons);
      ASSERT_EQ(mask.height, size.height);
      ASSERT_EQ(mask.width, size.width);
      EXPECT_GT(rle_iou(mask, painted, false), 0.95) << l << ' ' << place;
      EXPECT_GT(rle_iou(polygons_to_rle(polygons, size.height, size.width), painted, false), 0.95) << l << ' ' << place;
      const Box box = polygons_bounding_box(polygons);
      EXPECT_GE(box.x1, -1e-3f) << l << ' ' << place;
      EXPECT_GE(box.y1, -1e-3f);
      EXPECT_LE(box.x2, static_cast<float>(size.width) + 1e-3f);
      EXPECT_LE(box.y2, static_cast<float>(size.height) + 1e-3f);
      const std::array<double, 4> loose = apply_transforms(
          transforms,
          std::array<double, 4>{polygons_bounding_box(star.polygons).x1, polygons_bounding_box(star.polygons).y1,
                                polygons_bounding_box(star.polygons).x2, polygons_bounding_box(star.polygons).y2});
      EXPECT_LE(loose[0], box.x1 + 1e-3) << "the transformed box holds the transformed mask";
      EXPECT_GE(loose[3], box.y2 - 1e-3);
      std::vector<Keypoint> tips = star.tips;
      apply_transforms(transforms, tips);
      for (const Keypoint& tip : tips) {
        const bool inside = tip.x >= 0 && tip.y >= 0 && tip.x <= static_cast<float>(size.width) &&
                            tip.y <= static_cast<float>(size.height);
        if (tip.visibility > 0 && inside) EXPECT_LT(distance_to_outline(tip, polygons), 1e-3) << l << ' ' << place;
      }
    }
  }
}

TEST(AugmentationList, TheClassicKeysAsAListGiveTheSamePictures) {
  AugmentationOptions classic;
  classic.min_sizes = {20, 40, 60};
  classic.max_size = 70;
  classic.crop = CropMode::relative_range;
  classic.flip = FlipMode::horizontal;
  AugmentationOptions listed;
  listed.list = parse_augmentations(
      {"RandomCrop(relative_range, (0.9, 0.9))", "ResizeShortestEdge([20, 40, 60], 70, choice)", "RandomFlip()"});
  const Image image = position_image(50, 70);
  for (std::uint64_t place = 0; place < 30; ++place) {
    Random a(4, RandomPurpose::test, place);
    Random b(4, RandomPurpose::test, place);
    EXPECT_EQ(apply_transforms(choose_transforms(classic, image.size(), a), image).pixels,
              apply_transforms(choose_transforms(listed, image.size(), b), image).pixels);
  }
}

TEST(AugmentationList, EqualPlacesGiveEqualTransforms) {
  const std::vector<std::string> list = {
      "ResizeScale(0.1, 2, 64, 64)", "RandomRotation([-30, 30])",  "RandomFlip()",
      "FixedSizeCrop((64, 64))",     "RandomSaturation(0.5, 1.5)", "RandomLighting(9)"};
  const Image image = position_image(50, 70);
  std::set<UninitialisedVector<std::uint8_t>> seen;
  for (std::uint64_t place = 0; place < 20; ++place) {
    const Image once = apply_transforms(chosen(list, image.size(), place), image);
    EXPECT_EQ(once.pixels, apply_transforms(chosen(list, image.size(), place), image).pixels);
    seen.insert(once.pixels);
  }
  EXPECT_GE(seen.size(), 19u) << "other places give others";
}

}  // namespace
}  // namespace fastermask
