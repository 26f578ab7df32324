// Anchors: shapes, order and errors. (The reference's numbers: tests/parity/detection.)
#include "fastermask/detection/anchors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::HasSubstr;

TEST(AnchorGenerator, HasOneShapeForEachSizeAndRatioSizesOutside) {
  const AnchorGenerator generator({{32, 64}}, {{0.25, 1.0}}, {16});
  EXPECT_EQ(generator.num_anchors(0), 4);
  // area 32^2, height / width 1/4: 64 x 16.
  EXPECT_EQ(generator.cell_anchors(0)[0], (Box{-32, -8, 32, 8}));
  EXPECT_EQ(generator.cell_anchors(0)[1], (Box{-16, -16, 16, 16}));
  EXPECT_EQ(generator.cell_anchors(0)[3], (Box{-32, -32, 32, 32}));
}

TEST(AnchorGenerator, LaysAnchorsOutByLevelThenRowThenColumnThenShape) {
  const AnchorGenerator generator({{8}, {16}}, {{0.25, 1.0}}, {4, 8}, 0.5);
  const std::vector<ImageSize> grids{{2, 3}, {1, 1}};
  const GridAnchors anchors = generator.grid_anchors(grids);
  ASSERT_EQ(anchors.boxes.size(), 2u * 3u * 2u + 2u);
  EXPECT_EQ(anchors.levels[1].begin, 12u);
  EXPECT_EQ(anchors.levels[1].size(), 2u);
  // Row 1, column 2, shape 1 of the first level: centre (2 + 2 * 4, 2 + 1 * 4).
  EXPECT_EQ(anchors.boxes[(1 * 3 + 2) * 2 + 1], (Box{6, 2, 14, 10}));
  EXPECT_EQ(anchors.boxes[13], (Box{-4, -4, 12, 12}));
}

TEST(AnchorGenerator, AllowsAnEmptyFeatureMap) {
  const std::vector<ImageSize> grids{{0, 5}};
  EXPECT_TRUE(AnchorGenerator({{8}}, {{1.0}}, {4}).grid_anchors(grids).boxes.empty());
}

TEST(AnchorGenerator, SaysWhatIsWrongWithItsSettings) {
  const auto error = [](auto... arguments) {
    return ref::error_of([&] { AnchorGenerator generator(arguments...); });
  };
  using Lists = std::vector<std::vector<double>>;
  using Strides = std::vector<int>;
  EXPECT_THAT(error(Lists{{8}}, Lists{{1}}, Strides{}), HasSubstr("anchors: there must be at least one level"));
  EXPECT_THAT(error(Lists{{8}, {9}}, Lists{{1}}, Strides{4, 8, 16}),
              HasSubstr("anchors: sizes must be given once or for each of the 3 levels, got 2"));
  EXPECT_THAT(error(Lists{{8}}, Lists{{1}, {1}}, Strides{4}),
              HasSubstr("anchors: aspect_ratios must be given once or for each of the 1 levels, got 2"));
  EXPECT_THAT(error(Lists{{}}, Lists{{1}}, Strides{4}), HasSubstr("anchors: sizes of level 0 must not be empty"));
  EXPECT_THAT(error(Lists{{8}}, Lists{{0.0}}, Strides{4}),
              HasSubstr("anchors: aspect_ratios of level 0 must be positive, got 0"));
  EXPECT_THAT(error(Lists{{8}}, Lists{{1}}, Strides{0}), HasSubstr("anchors: strides must be at least 1, got 0"));
  EXPECT_THAT(error(Lists{{8}}, Lists{{1}}, Strides{4}, 1.0), HasSubstr("anchors: offset must be in [0, 1), got 1"));
}

TEST(AnchorGenerator, RefusesFeatureMapsThatDoNotFit) {
  const AnchorGenerator generator({{8}}, {{1.0}}, {4});
  const std::vector<ImageSize> two{{1, 1}, {1, 1}};
  const std::vector<ImageSize> negative{{-1, 1}};
  EXPECT_THAT(ref::error_of([&] { generator.grid_anchors(two); }),
              HasSubstr("anchors: there must be 1 feature maps, got 2"));
  EXPECT_THAT(ref::error_of([&] { generator.grid_anchors(negative); }),
              HasSubstr("anchors: feature map 0 has the size -1 x 1"));
}

}  // namespace
}  // namespace fastermask
