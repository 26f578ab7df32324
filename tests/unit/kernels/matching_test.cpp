// The fused matching against arg-maxima of the whole IoU matrix.
#include "fastermask/kernels/matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/iou.h"
#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

BestOverlaps overlaps_of_matrix(const Boxes& gt, const Boxes& anchors) {
  const std::vector<float> matrix = pairwise_iou(gt, anchors);
  BestOverlaps best{std::vector<int>(anchors.size(), 0), std::vector<float>(anchors.size(), 0.0f),
                    std::vector<float>(gt.size(), 0.0f)};
  for (std::size_t g = 0; g < gt.size(); ++g) {
    for (std::size_t a = 0; a < anchors.size(); ++a) {
      const float value = matrix[g * anchors.size() + a];
      best.best_iou_of_gt[g] = std::max(best.best_iou_of_gt[g], value);
      if (value > best.iou[a]) {
        best.iou[a] = value;
        best.gt_index[a] = static_cast<int>(g);
      }
    }
  }
  return best;
}

TEST(BestOverlaps, EqualTheWholeMatrix) {
  for (const int count : {1, 511, 512, 513, 9000}) {
    const Boxes anchors = ref::random_boxes(count, 1);
    const Boxes gt = ref::random_boxes(30, 2);
    const BestOverlaps wanted = overlaps_of_matrix(gt, anchors);
    const BestOverlaps got = best_overlaps(gt, anchors);
    EXPECT_EQ(got.gt_index, wanted.gt_index);
    EXPECT_EQ(got.iou, wanted.iou);
    EXPECT_EQ(got.best_iou_of_gt, wanted.best_iou_of_gt);
  }
}

TEST(BestOverlaps, DoNotDependOnTheNumberOfThreads) {
  const Boxes anchors = ref::random_boxes(20000, 1);
  const Boxes gt = ref::random_boxes(20, 2);
  const BestOverlaps parallel = best_overlaps(gt, anchors);
  const SerialScope serial;
  const BestOverlaps alone = best_overlaps(gt, anchors);
  EXPECT_EQ(parallel.gt_index, alone.gt_index);
  EXPECT_EQ(parallel.iou, alone.iou);
  EXPECT_EQ(parallel.best_iou_of_gt, alone.best_iou_of_gt);
}

TEST(BestOverlaps, TakeTheLowerGroundTruthWhenTwoTie) {
  const Boxes gt{{5, 5, 9, 9}, {0, 0, 4, 4}, {0, 0, 4, 4}};
  EXPECT_THAT(best_overlaps(gt, Boxes{{0, 0, 4, 2}}).gt_index, testing::ElementsAre(1));
}

TEST(BestOverlaps, OfNoGroundTruthAreZero) {
  const BestOverlaps overlaps = best_overlaps({}, Boxes(3));
  EXPECT_THAT(overlaps.gt_index, testing::ElementsAre(0, 0, 0));
  EXPECT_THAT(overlaps.iou, testing::ElementsAre(0, 0, 0));
  EXPECT_TRUE(best_overlaps(Boxes(2), {}).gt_index.empty());
}

std::vector<std::uint8_t> marks_of(const Boxes& gt, const Boxes& anchors, bool skip_unmatched) {
  std::vector<std::uint8_t> marks(anchors.size(), 0);
  mark_best_anchors(gt, anchors, best_overlaps(gt, anchors), skip_unmatched, marks);
  return marks;
}

TEST(BestAnchors, AreThoseThatTieTheBestOfAGroundTruth) {
  Boxes gt = ref::random_boxes(25, 4);
  gt.push_back({5000, 5000, 5010, 5010});  // touches nothing
  const Boxes anchors = ref::random_boxes(4000, 3);
  const std::vector<float> matrix = pairwise_iou(gt, anchors);
  const BestOverlaps overlaps = best_overlaps(gt, anchors);
  for (const bool skip_unmatched : {true, false}) {
    std::vector<std::uint8_t> wanted(anchors.size(), 0);
    for (std::size_t g = 0; g < gt.size(); ++g) {
      if (skip_unmatched && overlaps.best_iou_of_gt[g] == 0) continue;
      for (std::size_t a = 0; a < anchors.size(); ++a) {
        if (matrix[g * anchors.size() + a] == overlaps.best_iou_of_gt[g]) wanted[a] = 1;
      }
    }
    EXPECT_EQ(marks_of(gt, anchors, skip_unmatched), wanted) << skip_unmatched;
  }
}

TEST(BestAnchors, MarkEveryTie) {
  const Boxes anchors{{0, 0, 4, 4}, {4, 0, 8, 4}, {20, 0, 24, 4}};
  EXPECT_THAT(marks_of({{2, 0, 6, 4}}, anchors, true), testing::ElementsAre(1, 1, 0));
}

TEST(BestAnchors, RefuseOverlapsOfOtherBoxes) {
  std::vector<std::uint8_t> marks(3);
  EXPECT_THAT(ref::error_of([&] { mark_best_anchors(Boxes(1), Boxes(3), BestOverlaps{}, true, marks); }),
              testing::HasSubstr("3 marks and overlaps of 0 anchors and 0 ground truths do not fit 3 anchors"));
}

}  // namespace
}  // namespace fastermask
