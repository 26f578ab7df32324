#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fastermask/structures/box.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/mask.h"
#include "fastermask/structures/ndarray.h"

namespace fastermask {
namespace {

TEST(Box, MeasuresContinuousCoordinates) {
  const Box box{1, 2, 4, 6};
  EXPECT_EQ(box.width(), 3);
  EXPECT_EQ(box.height(), 4);
  EXPECT_EQ(box.area(), 12);
  EXPECT_TRUE(box.finite());
  EXPECT_FALSE((Box{0, 0, std::numeric_limits<float>::infinity(), 1}).finite());
  EXPECT_FALSE((Box{std::nanf(""), 0, 1, 1}).finite());
}

TEST(Box, IsClippedToTheImage) {
  EXPECT_EQ(clip({-1, -2, 50, 60}, {30, 40}), (Box{0, 0, 40, 30}));
  EXPECT_EQ(clip({50, 50, 60, 60}, {30, 40}), (Box{40, 30, 40, 30}));
}

TEST(Iou, IsIntersectionOverUnion) {
  EXPECT_FLOAT_EQ(iou({0, 0, 2, 2}, {1, 1, 3, 3}), 1.0f / 7.0f);
  EXPECT_EQ(iou({0, 0, 1, 1}, {1, 0, 2, 1}), 0);  // a common edge is no overlap
  EXPECT_EQ(iou({0, 0, 0, 0}, {0, 0, 0, 0}), 0);  // not 0 / 0
  EXPECT_EQ(iou({0, 0, 2, 2}, {0, 0, 2, 2}), 1);
}

TEST(Image, HasRowsOneAfterTheOther) {
  Image image(2, 3);
  image.row(1)[0] = 7;
  EXPECT_EQ(image.pixels.size(), 18u);
  EXPECT_EQ(image.pixels[9], 7);
  EXPECT_EQ(image.size(), (ImageSize{2, 3}));
}

TEST(BitMask, HasRowsOneAfterTheOther) {
  BitMask mask(2, 3);
  mask.row(1)[2] = 1;
  EXPECT_EQ(mask.pixels, (std::vector<std::uint8_t>{0, 0, 0, 0, 0, 1}));
}

TEST(NDArray, HoldsACopyOfItsValues) {
  const NDArray array = NDArray::from({2, 2}, std::vector<float>{1, 2, 3, 4});
  EXPECT_EQ(array.size(), 4);
  EXPECT_EQ(array.data<float>()[3], 4);
  EXPECT_EQ(array.to_integers(), (std::vector<std::int64_t>{1, 2, 3, 4}));
}

TEST(NDArray, SaysWhatDoesNotFit) {
  const NDArray array = NDArray::from({2}, std::vector<float>{1, 2});
  try {
    array.data<double>();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "ndarray: elements must be float64, got float32");
  }
  EXPECT_THROW(NDArray::from({3}, std::vector<float>{1, 2}), Error);
  EXPECT_THROW(element_count({-1}), Error);
  EXPECT_THROW(element_count({1ll << 40, 1ll << 40}), Error);
}

TEST(NDArray, ConvertsHalfPrecision) {
  // 1.0, -2.0, the smallest subnormal, infinity, in IEEE half precision; 1.0 and -2.5 in bfloat16.
  NDArray half(DType::float16, {4});
  const std::uint16_t half_bits[] = {0x3C00, 0xC000, 0x0001, 0x7C00};
  std::copy_n(reinterpret_cast<const std::byte*>(half_bits), sizeof(half_bits), half.bytes.begin());
  const std::vector<float> halves = half.to_floats();
  EXPECT_EQ(halves[0], 1.0f);
  EXPECT_EQ(halves[1], -2.0f);
  EXPECT_EQ(halves[2], std::ldexp(1.0f, -24));
  EXPECT_TRUE(std::isinf(halves[3]));
  NDArray brain(DType::bfloat16, {2});
  const std::uint16_t brain_bits[] = {0x3F80, 0xC020};
  std::copy_n(reinterpret_cast<const std::byte*>(brain_bits), sizeof(brain_bits), brain.bytes.begin());
  EXPECT_EQ(brain.to_floats(), (std::vector<float>{1.0f, -2.5f}));
}

TEST(NDArray, AScalarHasOneElement) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{3, 4}), "[3, 4]");
  EXPECT_EQ(element_count({3, 0, 5}), 0);
}

}  // namespace
}  // namespace fastermask
