// What the RPN and the heads train on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/detection/roi_levels.h"
#include "fastermask/detection/roi_targets.h"
#include "fastermask/detection/rpn_targets.h"
#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Random targets_test_random() { return Random(1, RandomPurpose::test); }

// Anchors: one on the ground truth, one near it (IoU 0.5: ignored), two far away, one over the border.
const Boxes kAnchors{{50, 50, 60, 60}, {0, 0, 10, 10}, {0, 0, 5, 10}, {80, 80, 90, 90}, {-5, 70, 5, 80}};
const Boxes kGt{{0, 0, 10, 10}};

TEST(RpnTargets, HoldPositivesThenNegativesWithTheirDeltas) {
  Random random = targets_test_random();
  const RpnTargets targets = label_and_sample_anchors(kAnchors, {100, 100}, kGt, {}, random);
  EXPECT_THAT(targets.anchors, ElementsAre(1, 0, 3, 4));
  EXPECT_THAT(targets.labels, ElementsAre(1, 0, 0, 0));
  EXPECT_EQ(targets.num_positives, 1);
  EXPECT_EQ(targets.num_negatives(), 3);
  EXPECT_THAT(targets.gt_index, ElementsAre(0));
  EXPECT_THAT(targets.gt_boxes, ElementsAre(kGt[0]));
  EXPECT_THAT(targets.anchor_boxes, ElementsAre(kAnchors[1]));
  EXPECT_THAT(targets.target_deltas[0], ElementsAre(0, 0, 0, 0));
}

TEST(RpnTargets, AnchorsOutsideTheImageAreIgnoredWhenABoundaryIsSet) {
  Random random = targets_test_random();
  RpnTargetParams params;
  params.boundary_thresh = 0;
  EXPECT_THAT(label_and_sample_anchors(kAnchors, {100, 100}, kGt, params, random).anchors, ElementsAre(1, 0, 3));
  params.boundary_thresh = 6;
  EXPECT_THAT(label_and_sample_anchors(kAnchors, {100, 100}, kGt, params, random).anchors, ElementsAre(1, 0, 3, 4));
}

TEST(RpnTargets, WithoutGroundTruthAreNegative) {
  Random random = targets_test_random();
  RpnTargetParams params;
  params.batch_size_per_image = 3;
  const RpnTargets targets = label_and_sample_anchors(kAnchors, {100, 100}, {}, params, random);
  EXPECT_EQ(targets.num_positives, 0);
  EXPECT_THAT(targets.labels, ElementsAre(0, 0, 0));
  EXPECT_TRUE(std::is_sorted(targets.anchors.begin(), targets.anchors.end()));
}

TEST(RpnTargets, RefuseMatchesOfOtherAnchors) {
  Random random = targets_test_random();
  EXPECT_THAT(ref::error_of([&] { sample_anchors(Matches{}, kAnchors, kGt, {}, random); }),
              HasSubstr("rpn_targets: matches of 0 anchors do not fit 5 anchors"));
  Matches matches;
  matches.labels = {1, 0, 0, 0, 0};
  matches.gt_index = {4, 0, 0, 0, 0};
  EXPECT_THAT(ref::error_of([&] { sample_anchors(matches, kAnchors, kGt, {}, random); }),
              HasSubstr("rpn_targets: anchor 0 is matched to ground truth 4, but there are 1"));
}

RoiTargetParams three_classes() {
  RoiTargetParams params;
  params.num_classes = 3;
  return params;
}

TEST(RoiTargets, HoldForegroundThenBackgroundWithTheGroundTruthAppended) {
  Random random = targets_test_random();
  RoiTargetParams params = three_classes();
  params.strategy = SamplingStrategy::first_k;
  const Boxes proposals{{50, 50, 60, 60}, {0, 0, 10, 9}, {30, 0, 40, 10}};
  const RoiTargets targets = label_and_sample_proposals(proposals, kGt, std::vector<int>{2}, params, random);
  EXPECT_THAT(targets.boxes, ElementsAre(proposals[1], kGt[0], proposals[0], proposals[2]));
  EXPECT_THAT(targets.classes, ElementsAre(2, 2, 3, 3));
  EXPECT_THAT(targets.gt_index, ElementsAre(0, 0, -1, -1));
  EXPECT_EQ(targets.num_foreground, 2);
  params.append_gt = false;
  EXPECT_EQ(label_and_sample_proposals(proposals, kGt, std::vector<int>{2}, params, random).size(), 3u);
}

TEST(RoiTargets, KeepToTheBatchSizeAndItsShareOfForeground) {
  Random random = targets_test_random();
  RoiTargetParams params = three_classes();
  params.batch_size_per_image = 16;
  Boxes proposals(50, kGt[0]);
  proposals.resize(100, {50, 50, 60, 60});
  const RoiTargets targets = label_and_sample_proposals(proposals, kGt, std::vector<int>{0}, params, random);
  EXPECT_EQ(targets.size(), 16u);
  EXPECT_EQ(targets.num_foreground, 4);
}

TEST(RoiTargets, WithoutGroundTruthAreBackground) {
  Random random = targets_test_random();
  const RoiTargets targets = label_and_sample_proposals(kAnchors, {}, {}, three_classes(), random);
  EXPECT_EQ(targets.num_foreground, 0);
  EXPECT_THAT(targets.classes, ElementsAre(3, 3, 3, 3, 3));
  EXPECT_EQ(label_and_sample_proposals({}, {}, {}, three_classes(), random).size(), 0u);
}

TEST(RoiTargets, LabelledWithoutSamplingKeepTheirOrder) {
  RoiTargetParams params = three_classes();
  params.iou_thresholds = {0.3, 0.6};
  params.iou_labels = {0, -1, 1};
  const RoiTargets targets = label_proposals(kAnchors, kGt, std::vector<int>{1}, params);
  EXPECT_EQ(targets.boxes, kAnchors);
  EXPECT_THAT(targets.classes, ElementsAre(3, 1, -1, 3, 3));
  EXPECT_THAT(targets.gt_index, ElementsAre(-1, 0, -1, -1, -1));
  EXPECT_EQ(targets.num_foreground, 1);
}

TEST(RoiTargets, SayWhatIsWrongWithTheGroundTruth) {
  EXPECT_THAT(ref::error_of([] { label_proposals({}, kGt, {}, three_classes()); }),
              HasSubstr("roi_targets: there must be one class a ground-truth box, got 0 classes and 1 boxes"));
  EXPECT_THAT(ref::error_of([] { label_proposals({}, kGt, std::vector<int>{3}, three_classes()); }),
              HasSubstr("roi_targets: classes must be in [0, 3), got 3"));
}

TEST(NextStageBoxes, AreClippedAndInTrainingNotEmpty) {
  const Boxes boxes{{10, 10, 20, 20}, {90, 90, 100, 100}};
  const std::vector<float> deltas{0, 0, 0, 0, 3, 0, 0, 0};  // the second moves out of the picture
  EXPECT_THAT(next_stage_boxes({}, deltas, boxes, {100, 100}, true), ElementsAre(boxes[0]));
  EXPECT_THAT(next_stage_boxes({}, deltas, boxes, {100, 100}, false), ElementsAre(boxes[0], Box{100, 90, 100, 100}));
  EXPECT_THAT(ref::error_of([&] { next_stage_boxes({}, std::vector<float>(16), boxes, {9, 9}, false); }),
              HasSubstr("next_stage_boxes: deltas must be [2, 4], got 16 values"));
  const std::vector<float> diverged{NAN, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_THAT(ref::error_of([&] { next_stage_boxes({}, diverged, boxes, {9, 9}, true); }),
              HasSubstr("contains Inf/NaN. Training has diverged."));
}

TEST(KeypointTargets, SelectForegroundWithAVisibleKeypointInsideItsBox) {
  RoiTargets targets;
  targets.boxes = {{0, 0, 10, 10}, {0, 0, 10, 10}, {20, 20, 30, 30}, {0, 0, 10, 10}};
  targets.gt_index = {0, 1, 0, -1};
  targets.classes = {0, 0, 0, 1};
  const std::vector<std::vector<Keypoint>> keypoints{{{10, 5, 2}, {50, 50, 2}}, {{5, 5, 0}, {50, 50, 2}}};
  EXPECT_THAT(select_with_visible_keypoints(targets, keypoints), ElementsAre(0));
  EXPECT_THAT(ref::error_of([&] { select_with_visible_keypoints(targets, {}); }),
              HasSubstr("roi_targets: ground truth 0 has no keypoints; there are 0"));
}

// Box 10 x 20 at (100, 200), 5 x 5 cells of 2 x 4.
TEST(KeypointTargets, AreCellsWithTheFarBordersInTheLastOne) {
  const std::vector<Keypoint> keypoints{{100, 200, 2}, {105, 209, 1}, {110, 220, 2}, {110.5f, 210, 2}, {101, 201, 0},
                                        {99.9f, 210, 2}};
  const std::vector<KeypointTarget> targets = keypoint_targets(keypoints, {100, 200, 110, 220}, 5);
  std::vector<int> cells;
  std::vector<bool> valid;
  for (const KeypointTarget& target : targets) {
    cells.push_back(target.cell);
    valid.push_back(target.valid);
  }
  EXPECT_THAT(cells, ElementsAre(0, 2 * 5 + 2, 24, 0, 0, 0));
  EXPECT_THAT(valid, ElementsAre(true, true, true, false, false, false));
  EXPECT_THAT(ref::error_of([&] { keypoint_targets(keypoints, {}, 0); }),
              HasSubstr("keypoint_targets: heatmap_size must be at least 1, got 0"));
}

TEST(RoiLevels, DoubleWithTheSideAndEndAtTheLastLevels) {
  const auto square = [](float side) { return Box{0, 0, side, side}; };
  const Boxes boxes{square(0), square(20), square(111), square(112), square(223), square(224), square(448),
                    square(4000)};
  EXPECT_THAT(assign_boxes_to_levels(boxes, {}), ElementsAre(0, 0, 0, 1, 1, 2, 3, 3));
  EXPECT_THAT(assign_boxes_to_levels(Boxes{{10, 0, 0, 10}}, {}), ElementsAre(0));
  EXPECT_THAT(assign_boxes_to_levels({}, {}), IsEmpty());
  EXPECT_THAT(ref::error_of([&] { assign_boxes_to_levels(boxes, {5, 2, 224, 4}); }),
              HasSubstr("roi_levels: min_level must not be above max_level, got 5 and 2"));
}

}  // namespace
}  // namespace fastermask
