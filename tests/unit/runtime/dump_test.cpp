// The layout of dumped intermediates, and what becomes of detections in the original picture.
#include "fastermask/runtime/dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/config/load.h"
#include "fastermask/kernels/rle.h"
#include "fastermask/runtime/detector.h"
#include "fastermask/runtime/input_batch.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::Key;

TEST(Dump, FeatureMapsAreTurnedToChannelsFirst) {
  const std::vector<float> pixels = {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60};  // [1, 2, 3, 2]
  NamedArrays dump;
  dump_value(dump, "p2", {{1, 2, 3, 2}, pixels.data(), nullptr});
  EXPECT_EQ(dump.at("p2").shape, (Shape{1, 2, 2, 3}));
  EXPECT_THAT(dump.at("p2").to_floats(), ElementsAre(1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60));
}

TEST(Dump, MatricesStayAsTheyAre) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  NamedArrays dump;
  dump_value(dump, "box.logits", {{2, 3}, values.data(), nullptr});
  EXPECT_EQ(dump.at("box.logits").shape, (Shape{2, 3}));
  EXPECT_EQ(dump.at("box.logits").to_floats(), values);
}

TEST(Dump, ImagesAfterTheFirstAreNumbered) {
  Proposals proposals;
  proposals.boxes = {{1, 2, 3, 4}};
  proposals.logits = {0.5f};
  Detections detections;
  detections.boxes = {{5, 6, 7, 8}, {0, 0, 1, 1}};
  detections.scores = {0.9f, 0.8f};
  detections.classes = {3, 0};
  NamedArrays dump;
  dump_proposals(dump, {proposals, {}});
  dump_detections(dump, {detections, {}});
  EXPECT_THAT(dump, ElementsAre(Key("detections.boxes"), Key("detections.boxes.1"), Key("detections.classes"),
                                Key("detections.classes.1"), Key("detections.scores"), Key("detections.scores.1"),
                                Key("proposals.boxes"), Key("proposals.boxes.1"), Key("proposals.logits"),
                                Key("proposals.logits.1")));
  EXPECT_EQ(dump.at("detections.boxes").shape, (Shape{2, 4}));
  EXPECT_THAT(dump.at("detections.classes").to_integers(), ElementsAre(3, 0));
  EXPECT_THAT(dump.at("proposals.boxes").to_floats(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(dump.at("proposals.boxes.1").shape, (Shape{0, 4}));
}

TEST(OriginalImage, BoxesScaleAndMasksArePasted) {
  Detections detections;
  detections.image_size = {10, 20};
  detections.boxes = {{2, 2, 8, 8}, {4, 4, 4, 9}};  // the second is empty: dropped
  detections.scores = {0.9f, 0.8f};
  detections.classes = {1, 2};
  detections.soft_mask_size = 2;
  detections.soft_masks = {{1, 1, 1, 1}, {1, 1, 1, 1}};
  const Detections original = to_original_image(detections, {20, 60});
  ASSERT_EQ(original.size(), 1u);
  EXPECT_EQ(original.boxes[0], (Box{6, 4, 24, 16}));
  EXPECT_EQ(original.image_size, (ImageSize{20, 60}));
  EXPECT_TRUE(original.soft_masks.empty());
  ASSERT_EQ(original.masks.size(), 1u);
  EXPECT_EQ(original.masks[0].height, 20);
  EXPECT_EQ(original.masks[0].width, 60);
  const std::array<double, 4> box = rle_to_xywh(original.masks[0]);
  EXPECT_NEAR(box[0], 6, 3);
  EXPECT_NEAR(box[2], 18, 6);
  EXPECT_GT(rle_area(original.masks[0]), 100u);
}

TEST(InputBatch, PicturesAreResizedNormalisedAndPaddedTogether) {
  Config config = load_config("", {"INPUT.MIN_SIZE_TEST", "8", "INPUT.MAX_SIZE_TEST", "100"});
  config.model.pixel_mean = {1, 2, 3};
  config.model.pixel_std = {1, 1, 2};
  Image wide(8, 12), small(4, 4);
  for (std::size_t i = 0; i < wide.pixels.size(); ++i) wide.pixels[i] = 11;
  const Batch batch = make_input_batch(std::vector<Image>{wide, small}, config, 16);
  EXPECT_EQ(batch.height, 16);
  EXPECT_EQ(batch.width, 16);
  EXPECT_THAT(batch.image_sizes, ElementsAre(ImageSize{8, 12}, ImageSize{8, 8}));
  EXPECT_THAT(batch.original_sizes, ElementsAre(ImageSize{8, 12}, ImageSize{4, 4}));
  EXPECT_THAT(std::vector<float>(batch.images.begin(), batch.images.begin() + 3), ElementsAre(10, 9, 4));
  EXPECT_EQ(batch.images[12 * 3], 0);              // right of the first picture
  EXPECT_EQ(batch.images[16 * 16 * 3 + 1], -2);    // the second picture's black
  EXPECT_EQ(batch.images.size(), 2u * 16 * 16 * 3);
}

}  // namespace
}  // namespace fastermask
