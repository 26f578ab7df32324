// Detections from small hand-made head outputs, scaling, keypoints, and the side figures.
#include "fastermask/detection/postprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/detection/metrics.h"
#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

constexpr ImageSize kSize{100, 100};

TEST(FastRcnnInference, SortsOverClassesAndSuppressesWithinThem) {
  // Three rows, two classes and background. Rows 0 and 1 overlap by 9/11.
  const std::vector<float> scores{0.6f, 0.3f, 0.1f, 0.7f, 0.04f, 0.26f, 0.05f, 0.5f, 0.45f};
  const Boxes boxes{{0, 0, 10, 10}, {1, 0, 11, 10}, {50, 50, 60, 60}};
  std::vector<int> rows;
  const Detections found = fast_rcnn_inference(scores, boxes, 2, kSize, {0.05, 0.5, 100}, &rows);
  EXPECT_THAT(found.scores, ElementsAre(0.7f, 0.5f, 0.3f));
  EXPECT_THAT(found.classes, ElementsAre(0, 1, 1));
  EXPECT_THAT(rows, ElementsAre(1, 2, 0));
  EXPECT_EQ(found.image_size, kSize);
  EXPECT_THAT(fast_rcnn_inference(scores, boxes, 2, kSize, {0.05, 0.5, 2}).scores, ElementsAre(0.7f, 0.5f));
  EXPECT_EQ(fast_rcnn_inference(scores, boxes, 2, kSize, {0.0, 1.0, -1}).size(), 6u);
}

TEST(FastRcnnInference, DropsRowsThatAreNotFiniteAndClipsTheOthers) {
  const std::vector<float> scores{NAN, 0.9f, 0.8f, 0.2f, 0.8f, 0.2f};
  const Boxes boxes{{0, 0, 10, 10}, {0, 0, INFINITY, 10}, {90, -5, 120, 10}};
  const Detections found = fast_rcnn_inference(scores, boxes, 1, kSize, {});
  EXPECT_THAT(found.boxes, ElementsAre(Box{90, 0, 100, 10}));
}

TEST(FastRcnnInference, FromRawOutputEqualsTheLongWay) {
  Random random(3, RandomPurpose::test);
  const int num_classes = 4;
  const Boxes proposals = ref::random_boxes(49, 5);
  std::vector<float> logits;
  std::vector<float> deltas;
  for (std::size_t i = 0; i < proposals.size() * 5; ++i) logits.push_back(static_cast<float>(random.normal()));
  for (std::size_t i = 0; i < proposals.size() * 16; ++i) deltas.push_back(static_cast<float>(random.normal()));
  deltas[16 * 7 + 3] = NAN;       // row 7 must go, whichever class it is in
  deltas[16 * 9] = 1e38f;         // overflows when multiplied by a width above 34
  const BoxCoder coder{0.1f, 1, 5, 5};
  const Detections direct = fast_rcnn_inference(logits, deltas, proposals, coder, num_classes, {300, 400}, {});
  const Detections wanted = fast_rcnn_inference(softmax_rows(logits, 5), decode_boxes(coder, deltas, proposals),
                                                num_classes, {300, 400}, {});
  EXPECT_GT(direct.size(), 10u);
  EXPECT_EQ(direct.boxes, wanted.boxes);
  EXPECT_EQ(direct.scores, wanted.scores);
  EXPECT_EQ(direct.classes, wanted.classes);
  const std::vector<float> agnostic(deltas.begin(), deltas.begin() + 4 * 49);
  EXPECT_EQ(fast_rcnn_inference(logits, agnostic, proposals, coder, num_classes, {300, 400}, {}).boxes,
            fast_rcnn_inference(softmax_rows(logits, 5), decode_boxes(coder, agnostic, proposals), num_classes,
                                {300, 400}, {}).boxes);
}

TEST(FastRcnnInference, OfNoProposalsIsEmpty) {
  EXPECT_EQ(fast_rcnn_inference({}, Span<const float>(), {}, {}, 4, kSize, {}).size(), 0u);
}

TEST(FastRcnnInference, SaysWhatDoesNotFit) {
  EXPECT_THAT(ref::error_of([] { fast_rcnn_inference(std::vector<float>(7), Boxes(2), 2, kSize, {}); }),
              HasSubstr("fast_rcnn_inference: scores must be [R, 3], got 7 values"));
  EXPECT_THAT(ref::error_of([] { fast_rcnn_inference(std::vector<float>(6), Boxes(3), 2, kSize, {}); }),
              HasSubstr("fast_rcnn_inference: boxes must be [2, 2] or [2, 1], got 3 values"));
  EXPECT_THAT(ref::error_of([] { fast_rcnn_inference(std::vector<float>(6), Boxes(3), 0, kSize, {}); }),
              HasSubstr("fast_rcnn_inference: num_classes must be at least 1, got 0"));
  const std::vector<float> logits(6);
  const std::vector<float> deltas(5);
  EXPECT_THAT(ref::error_of([&] { fast_rcnn_inference(logits, deltas, Boxes(3), {}, 2, kSize, {}); }),
              HasSubstr("one row of class logits a proposal, got 2 rows and 3 proposals"));
  EXPECT_THAT(ref::error_of([&] { fast_rcnn_inference(logits, deltas, Boxes(2), {}, 2, kSize, {}); }),
              HasSubstr("fast_rcnn_inference: deltas must be [2, 8] or [2, 4], got 5 values"));
}

TEST(Scores, SoftmaxSigmoidAndMean) {
  EXPECT_THAT(softmax_rows(std::vector<float>{0, std::log(3.0f), 1000, 0}, 2),
              ElementsAre(FloatNear(0.25f, 1e-6f), FloatNear(0.75f, 1e-6f), 1, 0));
  EXPECT_THAT(sigmoid(std::vector<float>{0, -1000}), ElementsAre(0.5f, 0));
  const std::vector<std::vector<float>> stages{{0.25f, 1}, {0.75f, 0}};
  EXPECT_THAT(average_scores(stages), ElementsAre(0.5f, 0.5f));
  EXPECT_THAT(ref::error_of([] { softmax_rows(std::vector<float>(3), 2); }),
              HasSubstr("softmax: 3 values are not rows of 2 columns"));
  EXPECT_THAT(ref::error_of([] { average_scores({}); }),
              HasSubstr("average_scores: there must be at least one stage"));
  const std::vector<std::vector<float>> uneven{{1, 2}, {1}};
  EXPECT_THAT(ref::error_of([&] { average_scores(uneven); }),
              HasSubstr("average_scores: stage 1 has 1 scores, stage 0 has 2"));
}

TEST(ScaleDetections, ScalesClipsAndDropsEmptyOnesWithAllTheirFields) {
  Detections found;
  found.image_size = {50, 100};
  found.boxes = {{10, 10, 20, 20}, {30, 10, 30, 20}, {90, 40, 101, 51}};
  found.scores = {0.9f, 0.8f, 0.7f};
  found.classes = {1, 2, 3};
  found.soft_masks = {{1}, {2}, {3}};
  found.soft_mask_size = 1;
  found.keypoints = {{{12, 12, 0.5f}}, {{1, 1, 1}}, {{95, 45, 0.25f}}};
  std::vector<int> rows;
  const Detections scaled = scale_detections(found, {200, 200}, &rows);
  EXPECT_EQ(scaled.image_size, (ImageSize{200, 200}));
  EXPECT_THAT(scaled.boxes, ElementsAre(Box{20, 40, 40, 80}, Box{180, 160, 200, 200}));
  EXPECT_THAT(scaled.classes, ElementsAre(1, 3));
  EXPECT_THAT(scaled.soft_masks, ElementsAre(ElementsAre(1), ElementsAre(3)));
  EXPECT_EQ(scaled.soft_mask_size, 1);
  EXPECT_EQ(scaled.keypoints[1][0].x, 190);
  EXPECT_EQ(scaled.keypoints[1][0].y, 180);
  EXPECT_EQ(scaled.keypoints[1][0].visibility, 0.25f);
  EXPECT_THAT(rows, ElementsAre(0, 2));
  EXPECT_THAT(ref::error_of([&] { scale_detections(found, {0, 5}); }),
              HasSubstr("scale_detections: sizes must be positive, got 50 x 100 to 0 x 5"));
}

// One 4 x 4 map with a peak in cell (3, 1), in a box of 4 x 4 pixels: no resizing, the cell's centre.
TEST(DecodeKeypoints, FindsThePeakAndItsShare) {
  std::vector<float> map(16, 0.0f);
  map[1 * 4 + 3] = std::log(5.0f);
  const auto keypoints = decode_keypoints(map, Boxes{{10, 20, 14, 24}}, 4, 1);
  EXPECT_FLOAT_EQ(keypoints[0][0].x, 13.5f);
  EXPECT_FLOAT_EQ(keypoints[0][0].y, 21.5f);
  EXPECT_NEAR(keypoints[0][0].visibility, 5.0 / 20.0, 1e-6);
}

TEST(DecodeKeypoints, ReadsMapsChannelsLastAndScalesFractionalBoxes) {
  std::vector<float> maps(4 * 4 * 2, 0.0f);
  maps[(0 * 4 + 0) * 2 + 0] = 9;  // keypoint 0: first cell
  maps[(3 * 4 + 3) * 2 + 1] = 9;  // keypoint 1: last cell
  const auto keypoints = decode_keypoints(maps, Boxes{{0, 0, 3.5f, 4}}, 4, 2);  // 3.5 wide: 4 columns of 0.875
  EXPECT_FLOAT_EQ(keypoints[0][0].x, 0.5f * 0.875f);
  EXPECT_FLOAT_EQ(keypoints[0][1].x, 3.5f * 0.875f);
  EXPECT_FLOAT_EQ(keypoints[0][0].y, 0.5f);
  EXPECT_FLOAT_EQ(keypoints[0][1].y, 3.5f);
}

TEST(DecodeKeypoints, TakesABoxThinnerThanAPixelForOnePixel) {
  const auto keypoints = decode_keypoints(std::vector<float>(16, 1.0f), Boxes{{5, 6, 5.25f, 6.25f}}, 4, 1);
  EXPECT_FLOAT_EQ(keypoints[0][0].x, 5.5f);
  EXPECT_FLOAT_EQ(keypoints[0][0].y, 6.5f);
  EXPECT_NEAR(keypoints[0][0].visibility, 1.0 / 16, 1e-6);
}

// The definition of the bicubic resize (Keys, a = -0.75), value by value.
float resized_value(const std::vector<float>& map, int size, int width, int height, int x, int y) {
  const auto weight = [](float t) {
    constexpr float a = -0.75f;
    t = std::abs(t);
    return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0.0f;
  };
  const float u = static_cast<float>(size) / static_cast<float>(width) * (static_cast<float>(x) + 0.5f) - 0.5f;
  const float v = static_cast<float>(size) / static_cast<float>(height) * (static_cast<float>(y) + 0.5f) - 0.5f;
  float sum = 0;
  for (int j = static_cast<int>(std::floor(v)) - 1; j <= static_cast<int>(std::floor(v)) + 2; ++j) {
    for (int i = static_cast<int>(std::floor(u)) - 1; i <= static_cast<int>(std::floor(u)) + 2; ++i) {
      const int cell = std::clamp(j, 0, size - 1) * size + std::clamp(i, 0, size - 1);
      sum += weight(static_cast<float>(i) - u) * weight(static_cast<float>(j) - v) *
             map[static_cast<std::size_t>(cell)];
    }
  }
  return sum;
}

TEST(DecodeKeypoints, FindsTheLargestValueOfTheResizedMap) {
  Random random(11, RandomPurpose::test);
  constexpr int kMapSize = 14;
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<float> map(kMapSize * kMapSize);
    const float noise = trial % 2 == 0 ? 1.0f : 0.1f;  // every other map is smooth with one peak
    const double peak_x = random.uniform(0, kMapSize);
    const double peak_y = random.uniform(0, kMapSize);
    for (int i = 0; i < kMapSize * kMapSize; ++i) {
      const double distance = std::hypot(i % kMapSize - peak_x, i / kMapSize - peak_y);
      map[static_cast<std::size_t>(i)] = static_cast<float>(8 * std::exp(-distance * distance / 8)) * (1 - noise) +
                                         noise * static_cast<float>(random.normal());
    }
    const int width = 1 + static_cast<int>(random.uniform_int(60));
    const int height = 1 + static_cast<int>(random.uniform_int(60));
    const Box box{3, 7, 3 + static_cast<float>(width), 7 + static_cast<float>(height)};
    const Keypoint found = decode_keypoints(map, Boxes{box}, kMapSize, 1)[0][0];
    float largest = -INFINITY;
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) largest = std::max(largest, resized_value(map, kMapSize, width, height, x, y));
    }
    const int x = static_cast<int>(std::lround(found.x - 3.5f));
    const int y = static_cast<int>(std::lround(found.y - 7.5f));
    EXPECT_NEAR(resized_value(map, kMapSize, width, height, x, y), largest, 1e-4) << trial;
  }
}

TEST(DecodeKeypoints, TakesTheFirstOfEqualValuesAndSurvivesNan) {
  const auto flat = decode_keypoints(std::vector<float>(16, 0.0f), Boxes{{0, 0, 4, 4}}, 4, 1);
  EXPECT_FLOAT_EQ(flat[0][0].x, 0.5f);
  EXPECT_FLOAT_EQ(flat[0][0].y, 0.5f);
  std::vector<float> broken(16, 0.0f);
  broken[5] = NAN;
  EXPECT_NO_THROW(decode_keypoints(broken, Boxes{{0, 0, 9, 9}}, 4, 1));
}

TEST(DecodeKeypoints, SaysWhatDoesNotFit) {
  EXPECT_TRUE(decode_keypoints({}, {}, 56, 17).empty());
  EXPECT_THAT(ref::error_of([] { decode_keypoints({}, {}, 0, 17); }),
              HasSubstr("heatmap_size and num_keypoints must be at least 1, got 0 and 17"));
  EXPECT_THAT(ref::error_of([] { decode_keypoints(std::vector<float>(3), Boxes(1), 2, 1); }),
              HasSubstr("decode_keypoints: heatmaps must be [1, 2, 2, 1], got 3 values"));
  EXPECT_THAT(ref::error_of([] { decode_keypoints(std::vector<float>(4), Boxes{{0, 0, 1e9f, 1}}, 2, 1); }),
              HasSubstr("decode_keypoints: boxes must be finite and at most 100000 pixels wide"));
}

// Rows: class 0 right; class 1 taken for background; background right; ignored.
TEST(ClassificationMetrics, CountWhatTheReferenceCounts) {
  const std::vector<float> logits{3, 1, 0, 0, 1, 2, 0, 0, 1, 5, 0, 0};
  const ClassificationMetrics metrics = classification_metrics(logits, std::vector<int>{0, 1, 2, -1}, 2);
  EXPECT_EQ(metrics.num_instances, 4);
  EXPECT_EQ(metrics.num_foreground, 2);
  EXPECT_DOUBLE_EQ(metrics.cls_accuracy, 0.5);
  EXPECT_DOUBLE_EQ(metrics.fg_cls_accuracy, 0.5);
  EXPECT_DOUBLE_EQ(metrics.false_negative, 0.5);
  EXPECT_EQ(classification_metrics({}, {}, 2).num_instances, 0);
  EXPECT_THAT(ref::error_of([] { classification_metrics(std::vector<float>(5), std::vector<int>(2), 2); }),
              HasSubstr("classification_metrics: logits must be [2, 3], got 5 values"));
}

TEST(MaskMetrics, CountWrongPixelsAmongEachKind) {
  const std::vector<float> logits{1, 1, -1, -1, 0, 2, -3, 4};
  const std::vector<std::uint8_t> targets{1, 0, 0, 1, 0, 1, 0, 0};
  const MaskMetrics metrics = mask_metrics(logits, targets);
  EXPECT_DOUBLE_EQ(metrics.accuracy, 1 - 3.0 / 8);
  EXPECT_DOUBLE_EQ(metrics.false_positive, 2.0 / 5);
  EXPECT_DOUBLE_EQ(metrics.false_negative, 1.0 / 3);
  EXPECT_DOUBLE_EQ(mask_metrics({}, {}).accuracy, 1.0);
  EXPECT_THAT(ref::error_of([] { mask_metrics(std::vector<float>(2), std::vector<std::uint8_t>(1)); }),
              HasSubstr("mask_metrics: there must be one target a logit, got 1 and 2"));
}

}  // namespace
}  // namespace fastermask
