// Proposals from small hand-made RPN outputs.
#include "fastermask/detection/proposals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two levels of one image: three cells with boxes in a row, and one cell whose box equals the first of them.
struct TwoLevels {
  std::vector<float> fine_logits{1, 3, 2};
  std::vector<float> fine_deltas = std::vector<float>(12, 0.0f);
  std::vector<float> coarse_logits{2.5f};
  std::vector<float> coarse_deltas = std::vector<float>(4, 0.0f);
  Boxes anchors{{0, 0, 10, 10}, {20, 0, 30, 10}, {21, 0, 31, 10}, {0, 0, 10, 10}};
  std::vector<ImageSize> sizes{{100, 100}};
  ProposalParams params;

  std::vector<RpnLevel> levels() const {
    return {{fine_logits.data(), fine_deltas.data(), 1, 1, 3, 1},
            {coarse_logits.data(), coarse_deltas.data(), 1, 1, 1, 1}};
  }
  Proposals run() const { return find_top_rpn_proposals(levels(), anchors, sizes, params).at(0); }
};

TEST(Proposals, AreSuppressedWithinTheirLevelAndSortedOverAll) {
  const Proposals proposals = TwoLevels().run();
  // The third box of the fine level overlaps the second by 9/11; the coarse one equals the first, of another level.
  EXPECT_THAT(proposals.logits, ElementsAre(3, 2.5f, 1));
  EXPECT_THAT(proposals.boxes, ElementsAre(Box{20, 0, 30, 10}, Box{0, 0, 10, 10}, Box{0, 0, 10, 10}));
}

TEST(Proposals, KeepTheBestBeforeAndAfterSuppression) {
  TwoLevels rpn;
  rpn.params.pre_nms_topk = 1;
  EXPECT_THAT(rpn.run().logits, ElementsAre(3, 2.5f));
  rpn.params.pre_nms_topk = 2;
  EXPECT_THAT(rpn.run().logits, ElementsAre(3, 2.5f));
  rpn.params.pre_nms_topk = 3;
  rpn.params.post_nms_topk = 1;
  EXPECT_THAT(rpn.run().logits, ElementsAre(3));
}

TEST(Proposals, AreClippedToTheirImageAndSmallOnesDropped) {
  TwoLevels rpn;
  rpn.sizes = {{100, 25}};
  EXPECT_THAT(rpn.run().boxes, ElementsAre(Box{20, 0, 25, 10}, Box{0, 0, 10, 10}, Box{0, 0, 10, 10}));
  rpn.sizes = {{5, 20}};  // nothing is left of the second and third
  EXPECT_THAT(rpn.run().boxes, ElementsAre(Box{0, 0, 10, 5}, Box{0, 0, 10, 5}));
}

TEST(Proposals, ApplyTheMinimalSizeStrictly) {
  TwoLevels rpn;
  rpn.params.min_box_size = 10;
  EXPECT_EQ(rpn.run().size(), 0u);
  rpn.params.min_box_size = 9.5;
  EXPECT_EQ(rpn.run().size(), 3u);
}

TEST(Proposals, NonFiniteOnesEndTrainingAndAreDroppedInTesting) {
  for (const float bad : {NAN, INFINITY}) {
    TwoLevels rpn;
    rpn.fine_logits[1] = bad;
    EXPECT_THAT(rpn.run().logits, ElementsAre(2.5f, 2, 1));
    rpn.params.training = true;
    EXPECT_THAT(ref::error_of([&] { rpn.run(); }),
                HasSubstr("Predicted boxes or scores contain Inf/NaN. Training has diverged."));
  }
  TwoLevels rpn;
  rpn.coarse_deltas[0] = NAN;
  EXPECT_THAT(rpn.run().logits, ElementsAre(3, 1));
}

// [image][y][x][anchor]: image 1's second row, first column, second anchor has the only high logit.
TEST(Proposals, ReadLogitsAndDeltasChannelsLast) {
  constexpr std::size_t kAnchorsAnImage = 2 * 3 * 2;
  std::vector<float> logits(2 * kAnchorsAnImage, 0.0f);
  std::vector<float> deltas(logits.size() * 4, 0.0f);
  const std::size_t anchor = (1 * 3 + 0) * 2 + 1;
  logits[kAnchorsAnImage + anchor] = 5;
  deltas[(kAnchorsAnImage + anchor) * 4 + 1] = 0.5f;  // down by half its height
  Boxes anchors;
  for (int i = 0; i < static_cast<int>(kAnchorsAnImage); ++i) {
    const float x = static_cast<float>(20 * i);
    anchors.push_back({x, 0, x + 10, 10});
  }
  const std::vector<RpnLevel> levels{{logits.data(), deltas.data(), 2, 2, 3, 2}};
  const std::vector<ImageSize> sizes{{500, 500}, {500, 500}};
  const std::vector<Proposals> proposals = find_top_rpn_proposals(levels, anchors, sizes, {});
  EXPECT_EQ(proposals[1].boxes[0], (Box{140, 5, 150, 15}));
  EXPECT_EQ(proposals[1].logits[0], 5);
  EXPECT_EQ(proposals[0].boxes[0], anchors[0]);
}

TEST(Proposals, SayWhatDoesNotFit) {
  TwoLevels rpn;
  rpn.anchors.pop_back();
  EXPECT_THAT(ref::error_of([&] { rpn.run(); }),
              HasSubstr("proposals: the levels have 4 anchors, but 3 anchor boxes are given"));
  rpn.sizes.resize(2);
  EXPECT_THAT(ref::error_of([&] { rpn.run(); }),
              HasSubstr("proposals: level 0 must be of 2 images, got [1, 1, 3, 1]"));
  TwoLevels negative;
  negative.params.post_nms_topk = -1;
  EXPECT_THAT(ref::error_of([&] { negative.run(); }),
              HasSubstr("proposals: pre_nms_topk and post_nms_topk must not be negative, got 1000 and -1"));
}

}  // namespace
}  // namespace fastermask
