// From records to training samples.
#include "fastermask/data/mapper.h"

#include <gmock/gmock.h>

#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::message_of;
using testing_support::position_image;
using testing_support::TemporaryFolder;

AnnotationRow row_of(std::array<double, 4> xywh, int category = 0, bool crowd = false) {
  AnnotationRow row;
  row.xywh = xywh;
  row.category = category;
  row.crowd = crowd;
  return row;
}

// One image of 40 x 60 with the given annotations.
struct OneImage {
  Dataset dataset;
  ImageRecord& record() { return dataset.records[0]; }

  OneImage() {
    dataset.class_names = {"a", "b"};
    ImageRecord image;
    image.id = 4;
    image.height = 40;
    image.width = 60;
    dataset.records.push_back(image);
  }
  void add(const AnnotationRow& row, const Segmentation& mask = {}, const std::vector<Keypoint>& keypoints = {}) {
    dataset.table.add(row, mask, keypoints);
    ++record().annotation_count;
  }
};

TEST(Mapper, CrowdsAndEmptyBoxesAreLeftOutAndBoxesClipped) {
  OneImage one;
  one.add(row_of({-5, 30, 20, 20}, 1));
  one.add(row_of({1, 1, 5, 5}, 0, true));
  one.add(row_of({5, 5, 0, 8}));
  one.add(row_of({70, 5, 8, 8}));
  const GroundTruth truth = make_ground_truth(one.dataset, one.record(), {}, {});
  EXPECT_THAT(truth.boxes, ElementsAre(Box{0, 30, 15, 40}));
  EXPECT_THAT(truth.classes, ElementsAre(1));
  EXPECT_TRUE(truth.masks.empty());
}

TEST(Mapper, CornersAreFloat32AndTransformsDouble) {
  OneImage one;
  one.add(row_of({0.1, 0.2, 10.7, 20.3}));
  const Transforms transforms = {ResizeTransform{{40, 60}, {53, 80}}, HorizontalFlip{{53, 80}}};
  const GroundTruth truth = make_ground_truth(one.dataset, one.record(), transforms, {});
  const double sx = 80.0 / 60;
  const double sy = 53.0 / 40;
  EXPECT_THAT(
      truth.boxes,
      ElementsAre(Box{static_cast<float>(80 - double{0.1f + 10.7f} * sx), static_cast<float>(double{0.2f} * sy),
                      static_cast<float>(80 - double{0.1f} * sx), static_cast<float>(double{0.2f + 20.3f} * sy)}));
}

TEST(Mapper, MasksOnLeavesOutInstancesWithoutOne) {
  OneImage one;
  MapperOptions options;
  options.masks = true;
  one.add(row_of({1, 1, 5, 5}));
  one.add(row_of({1, 1, 5, 5}, 1), Polygons{{1, 1, 6, 1, 6, 6}});
  const GroundTruth truth = make_ground_truth(one.dataset, one.record(), {}, options);
  EXPECT_THAT(truth.classes, ElementsAre(1));
  ASSERT_EQ(truth.masks.size(), 1u);
  EXPECT_EQ(std::get<Polygons>(truth.masks[0]).size(), 1u);
}

TEST(Mapper, AfterACropBoxesAreThoseOfTheMasks) {
  OneImage one;
  MapperOptions options;
  options.masks = true;
  one.add(row_of({0, 0, 30, 30}), Polygons{{0, 0, 30, 0, 30, 30}});
  const Transforms crop = {CropTransform{{40, 60}, 0, 10, {30, 60}}};
  const GroundTruth truth = make_ground_truth(one.dataset, one.record(), crop, options);
  EXPECT_THAT(truth.boxes, ElementsAre(Box{10, 0, 30, 20}));
  options.masks = false;
  EXPECT_THAT(make_ground_truth(one.dataset, one.record(), crop, options).boxes, ElementsAre(Box{0, 0, 30, 20}));
}

TEST(Mapper, BitmasksAreRasterisedInTheNewFrame) {
  OneImage one;
  MapperOptions options;
  options.masks = true;
  options.bitmasks = true;
  one.add(row_of({10, 10, 10, 10}), Polygons{{10, 10, 20, 10, 20, 20, 10, 20}});
  const Transforms transforms = {ResizeTransform{{40, 60}, {80, 120}}, HorizontalFlip{{80, 120}}};
  const GroundTruth truth = make_ground_truth(one.dataset, one.record(), transforms, options);
  const BitMask mask = rle_decode(std::get<Rle>(truth.masks.at(0)));
  EXPECT_EQ(mask.height, 80);
  EXPECT_EQ(rle_area(rle_encode(mask)), 400u);
  EXPECT_EQ(mask.row(20)[80], 1);
  EXPECT_EQ(mask.row(20)[79], 0);
}

TEST(Mapper, KeypointsOutsideAreHiddenAndFlipsRenameThem) {
  OneImage one;
  one.dataset.keypoint_names = {"nose", "left_eye", "right_eye"};
  one.dataset.keypoint_flip_map = {{"left_eye", "right_eye"}};
  MapperOptions options;
  options.keypoints = true;
  one.add(row_of({0, 0, 10, 10}), {}, {{5, 6, 2}, {7, 8, 1}, {70, 8, 2}});
  one.add(row_of({0, 0, 10, 10}));
  const GroundTruth truth = make_ground_truth(one.dataset, one.record(), {HorizontalFlip{{40, 60}}}, options);
  ASSERT_EQ(truth.keypoints.size(), 2u);
  EXPECT_EQ(truth.keypoints[0][0].x, 55);
  EXPECT_EQ(truth.keypoints[0][1].visibility, 0) << "the former right eye lies outside";
  EXPECT_EQ(truth.keypoints[0][1].x, 0);
  EXPECT_EQ(truth.keypoints[0][2].x, 53);
  EXPECT_EQ(truth.keypoints[0][2].visibility, 1);
  EXPECT_EQ(truth.keypoints[1].size(), 3u);
  EXPECT_EQ(truth.keypoints[1][0].visibility, 0);
}

TEST(Mapper, AfterATurnBoxesAreThoseOfTheMasks) {
  // A diamond of radius 10 about the centre, turned by 45 degrees, is a square of half side 10 / sqrt(2).
  OneImage one;
  one.add(row_of({20, 10, 20, 20}), Polygons{{30, 10, 40, 20, 30, 30, 20, 20}});
  const Transforms turn = {make_rotation({40, 60}, 45, false, nullptr)};
  MapperOptions options;
  options.masks = true;
  const Box tight = make_ground_truth(one.dataset, one.record(), turn, options).boxes.at(0);
  EXPECT_NEAR(tight.x1, 30 - 7.0711, 1e-3);
  EXPECT_NEAR(tight.y2, 20 + 7.0711, 1e-3);
  options.masks = false;
  const Box loose = make_ground_truth(one.dataset, one.record(), turn, options).boxes.at(0);
  EXPECT_NEAR(loose.x1, 30 - 14.1421, 1e-3) << "the box around the turned box";
  EXPECT_NEAR(loose.y2, 20 + 14.1421, 1e-3);
}

TEST(Mapper, KeypointsAreRenamedAfterAnOddNumberOfFlipsInAList) {
  OneImage one;
  one.dataset.keypoint_names = {"left_eye", "right_eye"};
  one.dataset.keypoint_flip_map = {{"left_eye", "right_eye"}};
  one.add(row_of({0, 0, 30, 30}), {}, {{10, 6, 2}, {20, 8, 1}});
  MapperOptions options;
  options.keypoints = true;
  const auto keypoints_after = [&](const std::vector<std::string>& list) {
    AugmentationOptions augmentation;
    augmentation.list = parse_augmentations(list);
    Random random(1, RandomPurpose::test);
    const Transforms transforms = choose_transforms(augmentation, one.record().size(), random);
    return make_ground_truth(one.dataset, one.record(), transforms, options).keypoints.at(0);
  };
  const auto once = keypoints_after({"RandomFlip(1)", "RandomRotation([180], sample_style=choice)"});
  EXPECT_NEAR(once[0].x, 20, 1e-3) << "the former right eye: 60 - 20, turned to 60 - 40";
  EXPECT_NEAR(once[0].y, 40 - 8, 1e-3);
  EXPECT_EQ(once[0].visibility, 1);
  const auto twice = keypoints_after({"RandomFlip(1)", "Resize((80, 120))", "RandomFlip(1)"});
  EXPECT_NEAR(twice[0].x, 20, 1e-3);
  EXPECT_EQ(twice[0].visibility, 2);
  const auto padded = keypoints_after({"RandomCrop(absolute, (2, 60))", "FixedSizeCrop((40, 60))"});
  EXPECT_EQ(std::min(padded[0].visibility, padded[1].visibility), 0) << "two rows hold at most one of them";
}

TEST(Mapper, APictureOfAnotherSizeIsRefusedWithTheReason) {
  const TemporaryFolder folder;
  OneImage one;
  one.record().file_name = folder / "a.png";
  write_image(one.record().file_name, position_image(40, 60));
  EXPECT_EQ(read_record_image(one.record(), PixelFormat::bgr).size(), (ImageSize{40, 60}));
  one.record().width = 61;
  EXPECT_THAT(
      message_of<DataError>([&] { read_record_image(one.record(), PixelFormat::bgr); }),
      HasSubstr("Mismatched image shape: got 60x40 (width x height), expect 61x40 from the annotations of image 4; "
                "check the width and height in the annotations"));
  one.record().width = 40;
  one.record().height = 60;
  EXPECT_THAT(message_of<DataError>([&] { read_record_image(one.record(), PixelFormat::bgr); }),
              HasSubstr("turned by its EXIF orientation"));
}

}  // namespace
}  // namespace fastermask
