// The best anchor without listing them all.
#include "fastermask/detection/anchor_coverage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

TEST(AnchorCoverage, IsTheBestOfAllAnchors) {
  for (const double offset : {0.0, 0.5}) {
    const AnchorGenerator anchors({{16, 20}, {32}, {64}}, {{0.5, 1, 2}}, {4, 8, 16}, offset);
    const std::vector<ImageSize> grids = anchor_grid_sizes(anchors, {100, 150});
    EXPECT_EQ(grids[0], (ImageSize{25, 38}));
    EXPECT_EQ(grids[2], (ImageSize{7, 10}));
    const GridAnchors all = anchors.grid_anchors(grids);
    for (std::uint64_t trial = 0; trial < 400; ++trial) {
      Random random(2, RandomPurpose::test, trial);
      Box box;
      box.x1 = static_cast<float>(random.uniform(0, 140));
      box.y1 = static_cast<float>(random.uniform(0, 90));
      box.x2 = std::min(box.x1 + static_cast<float>(random.uniform(1, 120)), 150.0f);
      box.y2 = std::min(box.y1 + static_cast<float>(random.uniform(1, 90)), 100.0f);
      float best = 0;
      for (const Box& anchor : all.boxes) best = std::max(best, iou(box, anchor));
      EXPECT_NEAR(best_anchor_iou(anchors, grids, box), best, 2e-6f) << trial;
    }
  }
}

TEST(AnchorCoverage, NeedsAGridForEachLevel) {
  const AnchorGenerator anchors({{16}}, {{1}}, {4});
  EXPECT_THAT(
      [&] {
        best_anchor_iou(anchors, {}, {0, 0, 1, 1});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("there must be 1 feature maps, got 0")));
  const std::vector<ImageSize> empty = {{0, 0}};
  EXPECT_EQ(best_anchor_iou(anchors, empty, {0, 0, 1, 1}), 0);
}

}  // namespace
}  // namespace fastermask
