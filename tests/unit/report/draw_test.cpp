// Drawn pictures: what changes, what stays, where labels go, and what is refused.
#include "fastermask/report/draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "fastermask/base/error.h"
#include "fastermask/data/image_io.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/report/palette.h"

namespace fastermask {
namespace {

constexpr int kGray = 128;

Image gray_picture(int height, int width) {
  Image image(height, width);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{kGray});
  return image;
}

// One detection with a rectangular mask that fills its box.
Detections one_rectangle(ImageSize size, const Box& box) {
  Detections detections;
  detections.image_size = size;
  detections.boxes = {box};
  detections.scores = {0.875f};
  detections.classes = {0};
  BitMask mask(size.height, size.width);
  const Box inside = clip(box, size);
  for (int y = static_cast<int>(inside.y1); y < static_cast<int>(inside.y2); ++y) {
    for (int x = static_cast<int>(inside.x1); x < static_cast<int>(inside.x2); ++x) mask.row(y)[x] = 1;
  }
  detections.masks = {rle_encode(mask)};
  return detections;
}

DrawOptions only(bool masks, bool boxes, bool labels, bool keypoints) {
  DrawOptions options;
  options.masks = masks;
  options.boxes = boxes;
  options.labels = labels;
  options.keypoints = keypoints;
  return options;
}

// The smallest box around the pixels that differ.
Box changed_pixels(const Image& before, const Image& after) {
  Box box{1e9f, 1e9f, -1, -1};
  for (int y = 0; y < before.height; ++y) {
    for (int x = 0; x < before.width; ++x) {
      if (std::equal(before.row(y) + 3 * x, before.row(y) + 3 * x + 3, after.row(y) + 3 * x)) continue;
      box = {std::min(box.x1, static_cast<float>(x)), std::min(box.y1, static_cast<float>(y)),
             std::max(box.x2, static_cast<float>(x + 1)), std::max(box.y2, static_cast<float>(y + 1))};
    }
  }
  return box;
}

std::string drawing_error(const Image& image, const Detections& detections) {
  try {
    draw_detections(image, detections, {"cell"});
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Draw, TintsEveryPixelOfAMaskAndNoneBeyondItsLine) {
  const Image picture = gray_picture(100, 120);
  const Detections detections = one_rectangle(picture.size(), {30, 20, 80, 60});
  const Image drawn = draw_detections(picture, detections, {"cell"}, only(true, false, false, false));
  for (int y = 20; y < 60; ++y) {
    for (int x = 30; x < 80; ++x) ASSERT_NE(drawn.row(y)[3 * x], kGray) << x << ", " << y;
  }
  const Box changed = changed_pixels(picture, drawn);
  EXPECT_GE(changed.x1, 29);
  EXPECT_GE(changed.y1, 19);
  EXPECT_LE(changed.x2, 81);
  EXPECT_LE(changed.y2, 61);
}

TEST(Draw, MixesTheFillAsOpaqueAsAsked) {
  const Image picture = gray_picture(100, 100);
  const Detections detections = one_rectangle(picture.size(), {20, 20, 80, 80});
  DrawOptions options = only(true, false, false, false);
  options.mask_opacity = 0.25;
  const Image drawn = draw_detections(picture, detections, {"a", "b"}, options);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(drawn.row(50)[150 + c], 0.75 * kGray + 0.25 * palette_colour(0)[c], 1.0);
  }
}

TEST(Draw, DrawsALineAlongTheMasksEdgeButNotAlongThePicturesBorder) {
  const Image picture = gray_picture(100, 100);
  const Detections detections = one_rectangle(picture.size(), {0, 0, 50, 100});
  const Image drawn = draw_detections(picture, detections, {"a", "b"}, only(true, false, false, false));
  const auto blue = [&drawn](int y, int x) { return static_cast<int>(drawn.row(y)[3 * x]); };
  EXPECT_NE(blue(50, 49), blue(50, 25));  // the edge is stronger than the fill
  EXPECT_EQ(blue(0, 25), blue(50, 25));   // the border is not
  EXPECT_EQ(blue(50, 0), blue(50, 25));
  EXPECT_EQ(blue(99, 25), blue(50, 25));
}

TEST(Draw, ShowsMasksThinnerThanTheLine) {
  const Image picture = gray_picture(400, 400);
  const Image drawn = draw_detections(picture, one_rectangle(picture.size(), {100, 200, 300, 201}), {"a", "b"},
                                      only(true, false, false, false));
  const std::array<std::uint8_t, 3> colour = palette_colour(0);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(drawn.row(200)[600 + c], colour[c], 1);
}

TEST(Draw, LeavesThePictureAloneWithoutDetections) {
  const Image picture = gray_picture(20, 30);
  EXPECT_EQ(draw_detections(picture, {}, {"cell"}).pixels, picture.pixels);
  EXPECT_EQ(draw_detections(Image(), {}, {}).pixels.size(), 0u);
  Detections detections = one_rectangle(picture.size(), {5, 5, 15, 15});
  detections.masks = {Rle{20, 30, {600}}};  // nothing set
  EXPECT_EQ(draw_detections(picture, detections, {}, only(true, false, false, false)).pixels, picture.pixels);
}

TEST(Draw, LeavesOutWhatScoresTooLow) {
  const Image picture = gray_picture(100, 100);
  DrawOptions options;
  options.score_threshold = 0.9;
  const Detections detections = one_rectangle(picture.size(), {20, 20, 80, 80});
  EXPECT_EQ(draw_detections(picture, detections, {"cell"}, options).pixels, picture.pixels);
  options.score_threshold = 0.875;
  EXPECT_NE(draw_detections(picture, detections, {"cell"}, options).pixels, picture.pixels);
}

TEST(Draw, KeepsLabelsWholeAndInsideThePicture) {
  // The plate's size, where it has all the room it wants.
  const Image picture = gray_picture(200, 300);
  const auto plate = [&picture](const Box& box) {
    const Detections detections = one_rectangle(picture.size(), box);
    return changed_pixels(picture, draw_detections(picture, detections, {"cell"}, only(false, false, true, false)));
  };
  const Box free = plate({100, 100, 150, 150});
  EXPECT_GT(free.width(), 20);
  EXPECT_EQ(free.x1, 100);
  EXPECT_LE(free.y2, 100);  // above the box
  for (const Box& box : {Box{0, 0, 10, 10}, Box{290, 0, 300, 10}, Box{0, 190, 10, 200}, Box{290, 190, 300, 200},
                         Box{-50, -50, 400, 400}}) {
    const Box moved = plate(box);
    EXPECT_EQ(moved.width(), free.width());
    EXPECT_EQ(moved.height(), free.height());
  }
}

TEST(Draw, CutsLabelsThatAreWiderThanThePicture) {
  const Image picture = gray_picture(60, 80);
  const Detections detections = one_rectangle(picture.size(), {10, 30, 40, 50});
  const std::string name(100000, 'w');
  const Image drawn = draw_detections(picture, detections, {name}, only(false, false, true, false));
  const Box changed = changed_pixels(picture, drawn);
  EXPECT_LE(changed.width(), 80);
  EXPECT_GT(changed.width(), 60);
}

TEST(Draw, PutsLabelsBesideEachOtherWhereBoxesCoincide) {
  const Image picture = gray_picture(300, 300);
  const auto changed_count = [&picture](int count) {
    Detections detections;
    for (int i = 0; i < count; ++i) {
      detections.boxes.push_back({100, 100, 250, 250});
      detections.scores.push_back(0.5f);
      detections.classes.push_back(0);
    }
    const Image drawn = draw_detections(picture, detections, {"a", "b"}, only(false, false, true, false));
    int changed = 0;
    for (int i = 0; i < 300 * 300; ++i) changed += drawn.pixels[static_cast<std::size_t>(3 * i)] != kGray;
    return changed;
  };
  EXPECT_GT(changed_count(2), 1.8 * changed_count(1));
}

TEST(Draw, TakesNamesThatAreNotText) {
  const Image picture = gray_picture(100, 200);
  const Detections detections = one_rectangle(picture.size(), {20, 40, 80, 80});
  for (const char* name : {"\xFF\xFE", "\xC3", "\xED\xA0\x80", "a\nb", "\xE6\xBC\xA2", "", "\xF0\x9F\x90\xB1"}) {
    const Image drawn = draw_detections(picture, detections, {name}, only(false, false, true, false));
    EXPECT_NE(drawn.pixels, picture.pixels) << name;
  }
}

TEST(Draw, GivesInstancesOfOneClassDifferentColoursAndClassesTheirOwn) {
  const Image picture = gray_picture(100, 200);
  Detections detections = one_rectangle(picture.size(), {10, 10, 60, 90});
  detections.boxes.push_back({110, 10, 160, 90});
  detections.scores.push_back(0.5f);
  detections.classes.push_back(0);
  detections.masks.push_back(one_rectangle(picture.size(), {110, 10, 160, 90}).masks[0]);
  const auto same_colour = [&](const std::vector<std::string>& names) {
    const Image drawn = draw_detections(picture, detections, names, only(true, false, false, false));
    return std::equal(drawn.row(50) + 90, drawn.row(50) + 93, drawn.row(50) + 390);
  };
  EXPECT_FALSE(same_colour({"cell"}));
  EXPECT_TRUE(same_colour({"cell", "other"}));
}

TEST(Draw, SurvivesBoxesAndKeypointsFromNowhere) {
  const Image picture = gray_picture(50, 50);
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  Detections detections;
  detections.boxes = {{nan, 0, 1, 1}, {-infinity, 0, infinity, 9}, {-1e30f, -1e30f, 1e30f, 1e30f}, {30, 30, 10, 10}};
  detections.scores = {0.9f, 0.8f, 0.7f, nan};
  detections.classes = {0, -5, 1 << 30, 2};
  detections.keypoints = {{}, {}, {{nan, 1, 1}, {1e30f, 3, 1}, {10, 10, 1}}, {}};
  DrawOptions options;
  options.skeleton = {{0, 1}, {1, 2}, {-1, 7}};
  EXPECT_NE(draw_detections(picture, detections, {}, options).pixels, picture.pixels);
  EXPECT_EQ(draw_detections(gray_picture(1, 1), detections, {}, options).pixels.size(), 3u);
}

TEST(Draw, DrawsTheSkeletonOfPersonsAndLeavesOutHiddenJoints) {
  const Image picture = gray_picture(200, 200);
  Detections detections;
  detections.boxes = {{10, 10, 190, 190}};
  detections.scores = {0.9f};
  detections.classes = {0};
  detections.keypoints = {std::vector<Keypoint>(17, Keypoint{100, 100, 0})};
  const DrawOptions options = only(false, false, false, true);
  EXPECT_EQ(draw_detections(picture, detections, {"person"}, options).pixels, picture.pixels);
  detections.keypoints[0][5] = {50, 50, 1};
  const Image dot = draw_detections(picture, detections, {"person"}, options);
  EXPECT_LT(changed_pixels(picture, dot).width(), 12);
  detections.keypoints[0][6] = {150, 50, 1};  // joined to the other shoulder
  EXPECT_NE(draw_detections(picture, detections, {"person"}, options).row(50)[300], kGray);
}

TEST(Draw, DrawsAnnotationsWithPolygonsRunsOrNothing) {
  const Image picture = gray_picture(100, 100);
  const Boxes boxes = {{10, 10, 40, 40}, {50, 50, 90, 90}, {0, 0, 5, 5}};
  const Rle runs = one_rectangle(picture.size(), {50, 50, 90, 90}).masks[0];
  const std::vector<Segmentation> masks = {Polygons{{10, 10, 40, 10, 40, 40, 10, 40}}, runs, std::monostate{}};
  const Image drawn =
      draw_ground_truth(picture, boxes, {0, 1, 0}, masks, {}, {"a", "b"}, only(true, false, false, false));
  EXPECT_NE(drawn.row(25)[75], kGray);
  EXPECT_NE(drawn.row(70)[210], kGray);
  EXPECT_EQ(drawn.row(2)[6], kGray);
  EXPECT_NE(draw_ground_truth(picture, boxes, {0, 1, 0}, {}, {}, {"a", "b"}).pixels, picture.pixels);
}

TEST(Draw, RefusesWhatDoesNotFit) {
  const Image picture = gray_picture(10, 20);
  const Detections good = one_rectangle(picture.size(), {2, 2, 8, 8});
  EXPECT_EQ(drawing_error(Image(10, 20, 1), good), "draw: a picture must have 3 channels, got 1");
  Detections bad = good;
  bad.masks = {Rle{20, 10, {200}}};
  EXPECT_EQ(drawing_error(picture, bad),
            "draw: mask 0 must be 10 x 20 like the picture, got 20 x 10; paste it to the picture's size first");
  bad.masks = {Rle{10, 20, {5}}};
  EXPECT_NE(drawing_error(picture, bad), "no error");
  bad = good;
  bad.classes = {};
  EXPECT_EQ(drawing_error(picture, bad), "draw: classes must be as many as boxes, 1, got 0");
  bad = good;
  bad.scores.push_back(1);
  EXPECT_EQ(drawing_error(picture, bad), "draw: scores must be as many as boxes, 1, got 2");
  bad = good;
  bad.masks.push_back(good.masks[0]);
  EXPECT_EQ(drawing_error(picture, bad), "draw: masks must be as many as boxes, 1, got 2");
  bad = good;
  bad.keypoints.resize(2);
  EXPECT_EQ(drawing_error(picture, bad), "draw: keypoints must be as many as boxes, 1, got 2");
}

TEST(Palette, HasNoColourTwiceAmongEightyAndIsStable) {
  std::set<std::array<std::uint8_t, 3>> colours;
  for (int i = 0; i < 80; ++i) colours.insert(palette_colour(i));
  EXPECT_EQ(colours.size(), 80u);
  EXPECT_EQ(palette_colour(0), (std::array<std::uint8_t, 3>{0x00, 0x9F, 0xE6}));
  EXPECT_EQ(palette_colour(-1), palette_colour(0));
  palette_colour(std::numeric_limits<int>::max());
}

TEST(Palette, ChoosesLettersThatContrast) {
  EXPECT_TRUE(wants_dark_text({255, 255, 255}));
  EXPECT_TRUE(wants_dark_text({0x42, 0xE4, 0xF0}));
  EXPECT_FALSE(wants_dark_text({0, 0, 0}));
  EXPECT_FALSE(wants_dark_text({128, 0, 0}));
}

TEST(Montage, PutsPicturesInRowsCentredInTheirCells) {
  Image small(2, 2), large(4, 6);
  std::fill(small.pixels.begin(), small.pixels.end(), std::uint8_t{200});
  std::fill(large.pixels.begin(), large.pixels.end(), std::uint8_t{100});
  const Image sheet = montage({large, small, large}, 2);
  EXPECT_EQ(sheet.height, 4 + 4 + 4);
  EXPECT_EQ(sheet.width, 6 + 4 + 6);
  EXPECT_EQ(sheet.row(0)[0], 100);
  EXPECT_EQ(sheet.row(0)[3 * 8], 40);             // the gap
  EXPECT_EQ(sheet.row(1)[3 * (10 + 2)], 200);     // the small one in the middle of its cell
  EXPECT_EQ(sheet.row(0)[3 * (10 + 2)], 40);
  EXPECT_EQ(sheet.row(11)[3 * 5], 100);
  EXPECT_EQ(sheet.row(11)[3 * 15], 40);           // no fourth picture
  EXPECT_EQ(montage({small}, 5).width, 2);
  EXPECT_EQ(montage({}, 3).pixels.size(), 0u);
}

TEST(Montage, RefusesNoColumnsAndGrayPictures) {
  try {
    montage({}, 0);
    FAIL() << "no columns were taken";
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "montage: columns must be at least 1, got 0");
  }
  EXPECT_THROW(montage({Image(2, 2, 1)}, 1), DataError);
}

TEST(EncodePng, GivesTheSamePixelsBackAndRefusesEmptyPictures) {
  Image picture(5, 7);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = static_cast<std::uint8_t>(7 * i);
  EXPECT_EQ(decode_image(encode_png(picture), "picture").pixels, picture.pixels);
  EXPECT_THROW(encode_png(Image()), DataError);
  EXPECT_THROW(encode_png(Image(2, 2, 1)), DataError);
}

}  // namespace
}  // namespace fastermask
