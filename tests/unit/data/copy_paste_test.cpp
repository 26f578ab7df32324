// Pasting instances: pixels, masks, boxes and keypoints of both sides.
#include "fastermask/data/copy_paste.h"

#include <gmock/gmock.h>

#include <fstream>

#include "fastermask/data/catalog.h"
#include "fastermask/data/mapper.h"
#include "fastermask/data/synth.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::TemporaryFolder;

Image flat(int height, int width, std::uint8_t value) {
  Image image(height, width);
  std::fill(image.pixels.begin(), image.pixels.end(), value);
  return image;
}

Polygons square(double x1, double y1, double x2, double y2) { return {{x1, y1, x2, y1, x2, y2, x1, y2}}; }

void add_instance(GroundTruth& truth, int category, const Segmentation& mask, Box box) {
  truth.boxes.push_back(box);
  truth.classes.push_back(category);
  truth.masks.push_back(mask);
}

CopyPasteSpec everything() {
  CopyPasteSpec spec;
  spec.instance_prob = 1;
  return spec;
}

void paste(const CopyPasteSpec& spec, const GroundTruth& from, Image& image, GroundTruth& truth,
           ImageSize size = {20, 30}) {
  Random random(1, RandomPurpose::test);
  paste_instances(spec, {flat(size.height, size.width, 200), from}, random, image, truth);
}

TEST(CopyPaste, CoversPixelsMasksAndBoxes) {
  Image image = flat(20, 30, 10);
  GroundTruth truth;
  add_instance(truth, 1, square(0, 0, 10, 10), {0, 0, 10, 10});  // its right half is covered
  add_instance(truth, 2, square(6, 2, 9, 8), {6, 2, 9, 8});      // all of it is covered
  add_instance(truth, 3, square(20, 0, 30, 5), {20, 0, 30, 5});  // not touched
  add_instance(truth, 4, box_to_rle({0, 8, 8, 4}, 20, 30), {0, 8, 8, 12});
  GroundTruth from;
  add_instance(from, 7, square(5, 0, 12, 10), {5, 0, 12, 10});
  paste(everything(), from, image, truth);
  EXPECT_THAT(truth.classes, ElementsAre(1, 3, 4, 7));
  EXPECT_THAT(truth.boxes, ElementsAre(Box{0, 0, 5, 10}, Box{20, 0, 30, 5}, Box{0, 8, 8, 12}, Box{5, 0, 12, 10}));
  EXPECT_EQ(std::get<Rle>(truth.masks[0]), box_to_rle({0, 0, 5, 10}, 20, 30));
  EXPECT_EQ(std::get<Polygons>(truth.masks[1]), square(20, 0, 30, 5)) << "polygons that are not touched stay polygons";
  EXPECT_EQ(rle_area(std::get<Rle>(truth.masks[2])), 32u - 6u);
  EXPECT_EQ(polygons_area(std::get<Polygons>(truth.masks[3])), 70);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 30; ++x) {
      EXPECT_EQ(image.row(y)[3 * x], x >= 5 && x < 12 && y < 10 ? 200 : 10) << x << ' ' << y;
    }
  }
}

TEST(CopyPaste, SmallRemainsAreDroppedWhenAsked) {
  Image image = flat(20, 30, 10);
  GroundTruth truth;
  add_instance(truth, 1, square(0, 0, 10, 10), {0, 0, 10, 10});
  GroundTruth from;
  add_instance(from, 7, square(1, 0, 12, 10), {1, 0, 12, 10});
  CopyPasteSpec spec = everything();
  spec.min_area = 11;
  paste(spec, from, image, truth);
  EXPECT_THAT(truth.classes, ElementsAre(7));
}

TEST(CopyPaste, OtherSizesAreCutAtTheEdges) {
  Image image = flat(20, 30, 10);
  GroundTruth truth;
  GroundTruth from;
  add_instance(from, 5, square(25, 15, 45, 35), {25, 15, 45, 35});
  add_instance(from, 6, square(35, 25, 45, 35), {35, 25, 45, 35});  // beyond the picture
  add_instance(from, 7, box_to_rle({28, 0, 10, 3}, 40, 50), {28, 0, 38, 3});
  paste(everything(), from, image, truth, {40, 50});
  EXPECT_THAT(truth.classes, ElementsAre(5, 7));
  EXPECT_THAT(truth.boxes, ElementsAre(Box{25, 15, 30, 20}, Box{28, 0, 30, 3}));
  EXPECT_EQ(std::get<Rle>(truth.masks[1]), box_to_rle({28, 0, 2, 3}, 20, 30));
  // And a smaller source.
  GroundTruth small;
  add_instance(small, 8, box_to_rle({2, 3, 4, 5}, 10, 10), {2, 3, 6, 8});
  paste(everything(), small, image, truth, {10, 10});
  EXPECT_EQ(truth.boxes.back(), (Box{2, 3, 6, 8}));
  EXPECT_EQ(std::get<Rle>(truth.masks.back()), box_to_rle({2, 3, 4, 5}, 20, 30));
}

TEST(CopyPaste, InstancesWithoutMaskAreNeitherTakenNorCut) {
  Image image = flat(20, 30, 10);
  GroundTruth truth;
  add_instance(truth, 1, {}, {0, 0, 10, 10});
  add_instance(truth, 2, {}, {6, 2, 9, 8});
  GroundTruth from;
  add_instance(from, 6, {}, {0, 0, 20, 20});
  add_instance(from, 7, square(5, 0, 12, 10), {5, 0, 12, 10});
  paste(everything(), from, image, truth);
  EXPECT_THAT(truth.classes, ElementsAre(1, 7));
  EXPECT_EQ(truth.boxes[0], (Box{0, 0, 10, 10}));
}

TEST(CopyPaste, KeypointsUnderneathBecomeHidden) {
  Image image = flat(20, 30, 10);
  GroundTruth truth;
  add_instance(truth, 1, square(0, 0, 10, 10), {0, 0, 10, 10});
  truth.keypoints = {{{2, 2, 2}, {7, 2, 2}, {7, 3, 1}, {0, 0, 0}}};
  GroundTruth from;
  add_instance(from, 7, square(5, 0, 45, 10), {5, 0, 45, 10});
  from.keypoints = {{{6, 6, 2}, {40, 6, 2}, {8, 8, 1}, {0, 0, 0}}};
  paste(everything(), from, image, truth, {20, 50});
  const auto visibilities = [](const std::vector<Keypoint>& keypoints) {
    std::vector<float> out;
    for (const Keypoint& keypoint : keypoints) out.push_back(keypoint.visibility);
    return out;
  };
  EXPECT_THAT(visibilities(truth.keypoints.at(0)), ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(visibilities(truth.keypoints.at(1)), ElementsAre(2, 0, 1, 0));
}

TEST(CopyPaste, TakesARandomShareWithinTheLimit) {
  GroundTruth from;
  for (int i = 0; i < 10; ++i) add_instance(from, i, square(2 * i, 0, 2 * i + 1, 5), {});
  std::size_t total = 0;
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    CopyPasteSpec spec;
    spec.instance_prob = 0.3;
    spec.max_instances = 4;
    Image image = flat(20, 30, 10);
    GroundTruth truth;
    Random random(1, RandomPurpose::test, trial);
    paste_instances(spec, {flat(20, 30, 200), from}, random, image, truth);
    EXPECT_GE(truth.size(), 1u);
    EXPECT_LE(truth.size(), 4u);
    total += truth.size();
  }
  EXPECT_NEAR(static_cast<double>(total) / 200, 2.8, 0.3);
}

// A data set of generated scenes, and a list with pasting.
struct Scenes {
  TemporaryFolder folder;
  std::shared_ptr<const Dataset> dataset;

  Scenes() {
    SynthOptions synth;
    synth.scene.size = {64, 96};
    synth.train_images = 6;
    synth.val_images = 1;
    synth.image_ending = ".png";
    const std::vector<std::string> files = write_synthetic_dataset(folder.path(), synth);
    dataset = std::make_shared<const Dataset>(load_dataset(files[0] + ":" + (folder / "images/train")));
  }
};

MapperOptions pasting(const std::vector<std::string>& list) {
  MapperOptions options;
  options.masks = true;
  options.augmentation.list = parse_augmentations(list);
  return options;
}

TEST(CopyPaste, TheMapperPastesFromOtherPictures) {
  const Scenes scenes;
  const MapperOptions options = pasting({"ResizeScale(0.5, 1.5, 64, 64)", "FixedSizeCrop((64, 64))",
                                         "CopyPaste(prob=1, instance_prob=1)", "RandomFlip(1)"});
  const MapperOptions plain = pasting({"ResizeScale(0.5, 1.5, 64, 64)", "FixedSizeCrop((64, 64))", "RandomFlip(1)"});
  std::size_t more = 0;
  for (std::size_t i = 0; i < scenes.dataset->records.size(); ++i) {
    const ImageRecord& record = scenes.dataset->records[i];
    Random random(3, RandomPurpose::test, i);
    const TrainingSample sample = map_for_training(*scenes.dataset, record, options, random);
    Random again(3, RandomPurpose::test, i);
    const TrainingSample same = map_for_training(*scenes.dataset, record, options, again);
    EXPECT_EQ(sample.image.pixels, same.image.pixels);
    EXPECT_EQ(sample.ground_truth.boxes, same.ground_truth.boxes);
    EXPECT_EQ(sample.image.size(), (ImageSize{64, 64}));
    EXPECT_TRUE(sample.flipped);
    Random first(3, RandomPurpose::test, i);
    more += sample.ground_truth.size() > map_for_training(*scenes.dataset, record, plain, first).ground_truth.size();
    // Visible masks of one picture don't overlap (generated scenes have exact ones; polygons share edges).
    std::vector<Rle> masks;
    for (std::size_t g = 0; g < sample.ground_truth.size(); ++g) {
      const Segmentation& mask = sample.ground_truth.masks[g];
      masks.push_back(std::holds_alternative<Rle>(mask) ? std::get<Rle>(mask)
                                                        : polygons_to_rle(std::get<Polygons>(mask), 64, 64));
      ASSERT_EQ(masks.back().width, 64);
      const Box& box = sample.ground_truth.boxes[g];
      EXPECT_TRUE(box.x1 >= 0 && box.y1 >= 0 && box.x2 <= 64 && box.y2 <= 64 && box.width() > 0 && box.height() > 0);
    }
    for (std::size_t a = 0; a < masks.size(); ++a) {
      for (std::size_t b = a + 1; b < masks.size(); ++b) EXPECT_LT(rle_iou(masks[a], masks[b], false), 0.2);
    }
  }
  EXPECT_GE(more, 4u);
}

TEST(CopyPaste, WorksForBoxesAloneAndForBitmasks) {
  const Scenes scenes;
  MapperOptions options = pasting({"CopyPaste(prob=1)"});
  Random random(3, RandomPurpose::test);
  const TrainingSample with = map_for_training(*scenes.dataset, scenes.dataset->records[0], options, random);
  options.masks = false;
  Random again(3, RandomPurpose::test);
  const TrainingSample without = map_for_training(*scenes.dataset, scenes.dataset->records[0], options, again);
  EXPECT_TRUE(without.ground_truth.masks.empty());
  EXPECT_EQ(without.ground_truth.boxes, with.ground_truth.boxes);
  EXPECT_EQ(without.image.pixels, with.image.pixels);
  options.masks = true;
  options.bitmasks = true;
  Random third(3, RandomPurpose::test);
  const TrainingSample bits = map_for_training(*scenes.dataset, scenes.dataset->records[0], options, third);
  ASSERT_EQ(bits.ground_truth.size(), with.ground_truth.size());
  for (const Segmentation& mask : bits.ground_truth.masks) EXPECT_TRUE(std::holds_alternative<Rle>(mask));
}

TEST(CopyPaste, ADataSetOfOnePictureHasNothingToPaste) {
  const Scenes scenes;
  Dataset single = *scenes.dataset;
  single.records.resize(1);
  Random random(3, RandomPurpose::test);
  const TrainingSample sample = map_for_training(single, single.records[0], pasting({"CopyPaste(prob=1)"}), random);
  EXPECT_EQ(sample.ground_truth.size(), single.records[0].annotation_count);
  EXPECT_TRUE(sample.unusable.empty());
}

TEST(CopyPaste, AnUnreadableSourceIsNamedAndAnotherTaken) {
  const Scenes scenes;
  for (std::size_t i = 1; i < scenes.dataset->records.size(); ++i) {
    std::ofstream(scenes.dataset->records[i].file_name, std::ios::trunc) << "no picture";
  }
  Random random(3, RandomPurpose::test);
  const TrainingSample sample =
      map_for_training(*scenes.dataset, scenes.dataset->records[0], pasting({"CopyPaste(prob=1)"}), random);
  ASSERT_GE(sample.unusable.size(), 2u);
  EXPECT_THAT(sample.unusable[0].reason,
              HasSubstr(scenes.dataset->records[static_cast<std::size_t>(sample.unusable[0].record)].file_name));
  EXPECT_EQ(sample.ground_truth.size(), scenes.dataset->records[0].annotation_count);
}

}  // namespace
}  // namespace fastermask
