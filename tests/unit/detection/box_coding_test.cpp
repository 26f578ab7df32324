// Box coding: worked examples, there and back, the clamp, errors.
#include "fastermask/detection/box_coding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::HasSubstr;

// Source 10 x 20 centred at (5, 10); target 20 x 20 centred at (10, 15): dx = 5/10, dy = 5/20, dw = ln 2, dh = 0.
TEST(BoxCoder, EncodesAHandWorkedPair) {
  const Delta delta = BoxCoder{10, 10, 5, 5}.encode({0, 0, 10, 20}, {0, 5, 20, 25});
  EXPECT_FLOAT_EQ(delta[0], 5.0f);
  EXPECT_FLOAT_EQ(delta[1], 2.5f);
  EXPECT_FLOAT_EQ(delta[2], 5 * std::log(2.0f));
  EXPECT_FLOAT_EQ(delta[3], 0.0f);
}

TEST(BoxCoder, DecodesWhatItEncoded) {
  const BoxCoder coder{20, 20, 10, 10};
  const Box source{3, 4, 40, 90};
  const Box target{-7, 20, 100, 33};
  const Box back = coder.decode(coder.encode(source, target), source);
  EXPECT_NEAR(back.x1, target.x1, 1e-4);
  EXPECT_NEAR(back.y1, target.y1, 1e-4);
  EXPECT_NEAR(back.x2, target.x2, 1e-4);
  EXPECT_NEAR(back.y2, target.y2, 1e-4);
}

TEST(BoxCoder, ClampsGrowthAtAThousandOverSixteen) {
  const Box grown = BoxCoder{}.decode({0, 0, 100, 100}, {0, 0, 16, 32});
  EXPECT_NEAR(grown.width(), 1000, 1e-2);
  EXPECT_NEAR(grown.height(), 2000, 1e-2);
}

TEST(BoxCoder, KeepsNanVisible) {
  const Box box = BoxCoder{}.decode({0, 0, std::nanf(""), 0}, {0, 0, 16, 32});
  EXPECT_FALSE(box.finite());
}

TEST(DecodeBoxes, GivesABoxForEachClass) {
  const std::vector<float> deltas{0, 0, 0, 0, 1, 0, 0, 0};
  const Boxes boxes = decode_boxes(BoxCoder{}, deltas, Boxes{{0, 0, 10, 10}});
  EXPECT_THAT(boxes, testing::ElementsAre(Box{0, 0, 10, 10}, Box{10, 0, 20, 10}));
  EXPECT_TRUE(decode_boxes(BoxCoder{}, {}, {}).empty());
}

TEST(BoxCoding, SaysWhatIsWrong) {
  EXPECT_THAT(ref::error_of([] { encode_boxes(BoxCoder{}, Boxes(2), Boxes(1)); }),
              HasSubstr("encode_boxes: there must be one target a source, got 1 and 2"));
  EXPECT_THAT(ref::error_of([] { encode_boxes(BoxCoder{}, Boxes{{0, 0, 0, 5}}, Boxes(1)); }),
              HasSubstr("encode_boxes: source box 0 must have positive sides, got 0 x 5"));
  EXPECT_THAT(ref::error_of([] { decode_boxes(BoxCoder{}, std::vector<float>(6), Boxes(1)); }),
              HasSubstr("decode_boxes: deltas must be [1, K * 4] for 1 boxes, got 6 values"));
}

}  // namespace
}  // namespace fastermask
