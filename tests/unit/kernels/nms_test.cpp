// NMS: against its plain twin, and the rules for ties, thresholds and classes.
#include "fastermask/kernels/nms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Nms, EqualsItsPlainTwin) {
  for (const int count : {1, 15, 16, 17, 64, 65, 700, 1500}) {
    const Boxes boxes = ref::random_boxes(count, 7);
    const std::vector<float> scores = ref::random_scores(count, 8);
    for (const double threshold : {0.0, 0.3, 0.5, 0.7, 1.0}) {
      EXPECT_EQ(nms(boxes, scores, threshold), ref::nms(boxes, scores, threshold)) << count << " at " << threshold;
    }
  }
}

// Two 10 x 10 boxes, one moved by 5: intersection 50, union 150, IoU 1/3.
TEST(Nms, SuppressesOnlyAboveTheThreshold) {
  const Boxes boxes{{0, 0, 10, 10}, {5, 0, 15, 10}};
  const std::vector<float> scores{0.5f, 0.9f};
  EXPECT_THAT(nms(boxes, scores, 0.33), ElementsAre(1));
  EXPECT_THAT(nms(boxes, scores, static_cast<double>(1.0f / 3.0f)), ElementsAre(1, 0));
}

// 3 / 10 in float32 is a little more than the double 0.3, and is suppressed; as 0.3f it would be kept.
TEST(Nms, ComparesWithTheThresholdInDouble) {
  const Boxes boxes{{0, 0, 10, 1}, {0, 0, 3, 1}};
  ASSERT_GT(static_cast<double>(iou(boxes[0], boxes[1])), 0.3);
  EXPECT_THAT(nms(boxes, std::vector<float>{2, 1}, 0.3), ElementsAre(0));
  EXPECT_THAT(nms(boxes, std::vector<float>{2, 1}, static_cast<double>(0.3f)), ElementsAre(0, 1));
}

TEST(Nms, KeepsTheLowerIndexWhenScoresTie) {
  const Boxes boxes{{0, 0, 10, 10}, {0, 0, 10, 10}, {50, 50, 60, 60}, {0, 0, 10, 10}};
  EXPECT_THAT(nms(boxes, std::vector<float>{1, 1, 1, 1}, 0.5), ElementsAre(0, 2));
  EXPECT_THAT(nms(boxes, std::vector<float>{-0.0f, 0.0f, -0.0f, 0.0f}, 0.5), ElementsAre(0, 2));
}

TEST(Nms, EndsWhenEnoughAreKept) {
  const Boxes boxes = ref::random_boxes(600, 3);
  const std::vector<float> scores = ref::random_scores(600, 4);
  const std::vector<int> all = nms(boxes, scores, 0.5);
  EXPECT_EQ(nms(boxes, scores, 0.5, 20), std::vector<int>(all.begin(), all.begin() + 20));
  EXPECT_THAT(nms(boxes, scores, 0.5, 0), IsEmpty());
}

TEST(Nms, OfNothingIsNothing) {
  EXPECT_THAT(nms({}, {}, 0.5), IsEmpty());
  EXPECT_THAT(batched_nms({}, {}, {}, 0.5), IsEmpty());
}

TEST(Nms, RefusesListsOfDifferentLengths) {
  const Boxes boxes(2);
  const std::vector<float> scores(1);
  EXPECT_THAT(ref::error_of([&] { nms(boxes, scores, 0.5); }),
              HasSubstr("nms: there must be one score a box, got 2 boxes and 1 scores"));
  EXPECT_THAT(ref::error_of([&] { batched_nms(boxes, std::vector<float>(2), std::vector<int>(3), 0.5); }),
              HasSubstr("one score and one class a box, got 2 boxes, 2 scores and 3 classes"));
}

TEST(BatchedNms, ClassesDoNotSuppressOneAnother) {
  const Boxes boxes{{0, 0, 10, 10}, {0, 0, 10, 10}, {1, 0, 11, 10}};
  EXPECT_THAT(batched_nms(boxes, std::vector<float>{1, 2, 3}, std::vector<int>{0, 1, 1}, 0.5), ElementsAre(2, 0));
}

// Above 1000 boxes each class is on its own: the union of the classes' NMS, by falling score.
TEST(BatchedNms, TreatsManyBoxesClassByClass) {
  constexpr int kCount = 1600;
  const Boxes boxes = ref::random_boxes(kCount, 1);
  const std::vector<float> scores = ref::random_scores(kCount, 2);
  std::vector<int> classes;
  for (int i = 0; i < kCount; ++i) classes.push_back(i * 7 % 5);
  std::vector<float> kept_scores(kCount, -std::numeric_limits<float>::infinity());
  std::size_t num_kept = 0;
  for (int k = 0; k < 5; ++k) {
    Boxes class_boxes;
    std::vector<float> class_scores;
    std::vector<int> indices;
    for (int i = 0; i < kCount; ++i) {
      if (classes[static_cast<std::size_t>(i)] != k) continue;
      class_boxes.push_back(boxes[static_cast<std::size_t>(i)]);
      class_scores.push_back(scores[static_cast<std::size_t>(i)]);
      indices.push_back(i);
    }
    for (const int kept : ref::nms(class_boxes, class_scores, 0.5)) {
      const std::size_t i = static_cast<std::size_t>(indices[static_cast<std::size_t>(kept)]);
      kept_scores[i] = scores[i];
      ++num_kept;
    }
  }
  EXPECT_EQ(batched_nms(boxes, scores, classes, 0.5), top_scores(kept_scores, static_cast<int>(num_kept)));
}

// Up to 1000 boxes go through one NMS, moved apart: far out, a 1-pixel box's coordinates round, as in torchvision.
TEST(BatchedNms, MovesFewBoxesApartInFloat) {
  const Boxes boxes{{1000.3f, 0, 1001.3f, 1}, {1000.3f, 0.05f, 1001.3f, 1.05f}};
  const std::vector<float> scores{2, 1};
  const double exact = iou(boxes[0], boxes[1]);
  EXPECT_THAT(batched_nms(boxes, scores, std::vector<int>{0, 0}, exact - 1e-3), ElementsAre(0));
  Boxes moved = boxes;
  for (Box& box : moved) {
    const float offset = 5000 * (1001.3f + 1);
    box = {box.x1 + offset, box.y1 + offset, box.x2 + offset, box.y2 + offset};
  }
  ASSERT_NE(iou(moved[0], moved[1]), iou(boxes[0], boxes[1]));
  EXPECT_EQ(batched_nms(boxes, scores, std::vector<int>{5000, 5000}, exact - 1e-3), nms(moved, scores, exact - 1e-3));
}

TEST(TopScores, AreTheFirstOfAStableSort) {
  const std::vector<float> scores = ref::random_scores(5000, 9);
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  for (const int count : {1, 10, 1000, 4999, 5000, 9000}) {
    const std::vector<int> wanted(order.begin(), order.begin() + std::min<std::ptrdiff_t>(count, 5000));
    EXPECT_EQ(top_scores(scores, count), wanted) << count;
  }
}

TEST(TopScores, PutNanFirstAndInfinitiesAtTheirEnds) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> scores{1, -kInfinity, std::nanf(""), kInfinity, -1, -std::nanf("")};
  EXPECT_THAT(top_scores(scores), ElementsAre(2, 5, 3, 0, 4, 1));
  EXPECT_THAT(ref::error_of([&] { top_scores(scores, -1); }), HasSubstr("count must not be negative, got -1"));
}

}  // namespace
}  // namespace fastermask
