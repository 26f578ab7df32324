// The single steps against the reference: anchors, box coding, NMS, matching, level assignment.
#include <algorithm>

#include "fastermask/detection/anchors.h"
#include "fastermask/detection/box_coding.h"
#include "fastermask/detection/matcher.h"
#include "fastermask/detection/roi_levels.h"
#include "fastermask/kernels/iou.h"
#include "fastermask/kernels/nms.h"
#include "parity/detection/golden.h"
#include "support/reference.h"

namespace fastermask {
namespace {

void expect_anchors(const NamedArrays& arrays, const std::string& name, const AnchorGenerator& generator,
                    const std::vector<ImageSize>& grids) {
  const GridAnchors anchors = generator.grid_anchors(grids);
  ASSERT_EQ(anchors.levels.size(), grids.size());
  for (int level = 0; level < generator.num_levels(); ++level) {
    const std::string number = std::to_string(level);
    EXPECT_EQ(generator.cell_anchors(level), golden::boxes(arrays, name + ".cell" + number)) << name << level;
    const LevelRange& range = anchors.levels[static_cast<std::size_t>(level)];
    const Boxes of_level(anchors.boxes.begin() + static_cast<std::ptrdiff_t>(range.begin),
                         anchors.boxes.begin() + static_cast<std::ptrdiff_t>(range.end));
    EXPECT_EQ(of_level, golden::boxes(arrays, name + ".anchors" + number)) << name << level;
  }
}

TEST(DetectionParity, AnchorsEqualTheReferenceExactly) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/a_anchors.npz");
  const std::vector<double> ratios{0.5, 1.0, 2.0};
  expect_anchors(arrays, "fpn5", AnchorGenerator({{32}, {64}, {128}, {256}, {512}}, {ratios}, {4, 8, 16, 32, 64}),
                 {{20, 28}, {10, 14}, {5, 7}, {3, 4}, {2, 2}});
  expect_anchors(arrays, "pyr3",
                 AnchorGenerator({{32, 40.3}, {64, 80.6}, {128, 161.3}}, {ratios}, {8, 16, 32}, 0.5),
                 {{9, 11}, {5, 6}, {3, 3}});
  expect_anchors(arrays, "c4", AnchorGenerator({{32, 64, 128, 256, 512}}, {ratios}, {16}), {{6, 7}});
}

TEST(DetectionParity, BoxCodingEqualsTheReference) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/b_box2box.npz");
  const std::vector<std::pair<std::string, BoxCoder>> coders{
      {"rpn", {1, 1, 1, 1}}, {"roi", {10, 10, 5, 5}}, {"cascade3", {30, 30, 15, 15}}};
  double worst_delta = 0;
  double worst_box = 0;
  for (const auto& [name, coder] : coders) {
    const Boxes sources = golden::boxes(arrays, name + ".src");
    const std::vector<Delta> deltas = encode_boxes(coder, sources, golden::boxes(arrays, name + ".dst"));
    const std::vector<float> wanted = golden::floats(arrays, name + ".deltas");
    ASSERT_EQ(deltas.size() * 4, wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      worst_delta = std::max(worst_delta, std::abs(static_cast<double>(deltas[i / 4][i % 4]) - wanted[i]));
    }
    const auto compare = [&](const std::string& given, const std::string& expected) {
      const Boxes decoded = decode_boxes(coder, golden::floats(arrays, name + given), sources);
      const Boxes reference = golden::boxes(arrays, name + expected);
      ASSERT_EQ(decoded.size(), reference.size());
      for (std::size_t i = 0; i < decoded.size(); ++i) {
        const double scale = std::max({1.0f, std::abs(reference[i].x1), std::abs(reference[i].x2),
                                       std::abs(reference[i].y1), std::abs(reference[i].y2)});
        worst_box = std::max(worst_box, golden::difference(decoded[i], reference[i]) / scale);
      }
    };
    compare(".deltas", ".apply_of_deltas");
    compare(".rand_deltas_K5", ".rand_applied_K5");
  }
  golden::report("encoded deltas", worst_delta);
  golden::report("decoded boxes, relative", worst_box);
  EXPECT_LE(worst_delta, 1e-5);
  EXPECT_LE(worst_box, 1e-6);
}

TEST(DetectionParity, NmsKeepsTheReferenceIndices) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/d_nms.npz");
  for (const std::string name : {"n40", "n300", "n2500"}) {
    const Boxes boxes = golden::boxes(arrays, name + ".boxes");
    const std::vector<float> scores = golden::floats(arrays, name + ".scores");
    const std::vector<int> classes = golden::integers(arrays, name + ".classes");
    for (const auto& [text, threshold] : {std::pair{"0.3", 0.3}, std::pair{"0.5", 0.5}, std::pair{"0.7", 0.7}}) {
      EXPECT_EQ(nms(boxes, scores, threshold), golden::integers(arrays, name + ".nms_" + text)) << name << text;
      const std::vector<int> wanted = golden::integers(arrays, name + ".batched_" + text);
      EXPECT_EQ(batched_nms(boxes, scores, classes, threshold), wanted) << name << text;
      const std::vector<int> first_ten(wanted.begin(), wanted.begin() + 10);
      EXPECT_EQ(batched_nms(boxes, scores, classes, threshold, 10), first_ten) << name << text;
    }
  }
  EXPECT_EQ(nms(golden::boxes(arrays, "edge.boxes"), golden::floats(arrays, "edge.scores"), 0.5),
            golden::integers(arrays, "edge.nms_0.5"));
}

TEST(DetectionParity, PairwiseIouEqualsTheReferenceExactly) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/e_matcher.npz");
  EXPECT_EQ(pairwise_iou(golden::boxes(arrays, "gt"), golden::boxes(arrays, "anchors")),
            golden::floats(arrays, "iou"));
}

void expect_matches(const NamedArrays& arrays, const std::string& name, const Matcher& matcher, std::size_t num_gt) {
  Boxes gt = golden::boxes(arrays, "gt");
  gt.resize(num_gt);
  const Matches matches = matcher.match(gt, golden::boxes(arrays, "anchors"));
  EXPECT_EQ(matches.gt_index, golden::integers(arrays, name + ".matches")) << name;
  const std::vector<int> labels(matches.labels.begin(), matches.labels.end());
  EXPECT_EQ(labels, golden::integers(arrays, name + ".labels")) << name;
}

TEST(DetectionParity, MatcherEqualsTheReference) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/e_matcher.npz");
  const std::size_t all = golden::boxes(arrays, "gt").size();
  expect_matches(arrays, "rpn", Matcher({0.3, 0.7}, {0, -1, 1}, {true, true}), all);
  expect_matches(arrays, "rpn_nolq", Matcher({0.3, 0.7}, {0, -1, 1}), all);
  expect_matches(arrays, "roi", Matcher({0.5}, {0, 1}), all);
  expect_matches(arrays, "retina", Matcher({0.4, 0.5}, {0, -1, 1}, {true, true}), all);
  expect_matches(arrays, "rpn7", Matcher({0.3, 0.7}, {0, -1, 1}, {true, false}), all - 1);
}

TEST(DetectionParity, GuardedMatcherIgnoresTheGroundTruthThatTouchesNoAnchor) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/e_matcher.npz");
  const Matches matches = Matcher({0.3, 0.7}, {0, -1, 1}, {true, false})
                              .match(golden::boxes(arrays, "gt"), golden::boxes(arrays, "anchors"));
  const std::vector<int> labels(matches.labels.begin(), matches.labels.end());
  EXPECT_EQ(labels, golden::integers(arrays, "rpn7.labels"));
}

TEST(DetectionParity, BoxesGoToTheReferenceLevels) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const NamedArrays arrays = load_npz(folder + "/golden/c_roi.npz");
  const Boxes boxes = golden::boxes(arrays, "lvl.boxes");
  EXPECT_EQ(assign_boxes_to_levels(boxes, {2, 5, 224, 4}), golden::integers(arrays, "lvl.fpn_2_5"));
  EXPECT_EQ(assign_boxes_to_levels(boxes, {2, 6, 224, 4}), golden::integers(arrays, "lvl.fpn_2_6"));
  Boxes pooled = golden::boxes(arrays, "pooler.boxes0");
  const Boxes second = golden::boxes(arrays, "pooler.boxes1");
  pooled.insert(pooled.end(), second.begin(), second.end());
  EXPECT_EQ(assign_boxes_to_levels(pooled, {2, 5, 224, 4}), golden::integers(arrays, "pooler.levels"));
}

}  // namespace
}  // namespace fastermask
