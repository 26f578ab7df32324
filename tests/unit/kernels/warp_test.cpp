// Affine maps of pictures and masks, against OpenCV 4.6's warpAffine.
#include "fastermask/kernels/warp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/error.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Image patterned(int height, int width, int channels) {
  Image image(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.row(y)[x * channels + c] = static_cast<std::uint8_t>(x * 7 + y * 13 + c * 31 + x * y);
      }
    }
  }
  return image;
}

template <class Bytes>
std::uint64_t fnv(const Bytes& bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

// What cv2.warpAffine(patterned, map, size) gave, as FNV-1a of its bytes: INTER_LINEAR for the picture, INTER_NEAREST
// for the mask of (first channel / 64) % 2.
struct OpenCvCase {
  ImageSize from;
  ImageSize to;
  AffineMap map;
  std::uint64_t picture;
  std::uint64_t mask;
};
const OpenCvCase kOpenCvCases[] = {
    {{37, 53},
     {59, 64},
     {0.8660254037844387, 0.49999999999999994, -0.016660498395404844, -0.49999999999999994, 0.8660254037844387,
      26.411542731880104},
     0xfc82200669e3a2f0,
     0xe50cc16e210188fc},
    {{37, 53},
     {37, 53},
     {0.9762960071199334, -0.21643961393810288, 4.512216865767584, 0.21643961393810288, 0.9762960071199334,
      -5.200758090549476},
     0xc8bfbea20170ce9b,
     0xe19bfaa0fe9205d2},
    {{40, 60},
     {60, 40},
     {6.123233995736766e-17, 1.0, -3.552713678800501e-15, -1.0, 6.123233995736766e-17, 59.0},
     0xb82b89ec32999ebd,
     0x8b4e504637b49efa},
    {{64, 31},
     {71, 51},
     {-0.9381913359224842, -0.3461170570774931, 49.975557336778294, 0.3461170570774931, -0.9381913359224842,
      59.36127122539585},
     0xb282f30a47d348ee,
     0xe2cc7ab5e087ef0a},
    {{50, 50},
     {50, 50},
     {0.7071067811865476, 0.7071067811865475, -11.006096654409879, -0.7071067811865475, 0.7071067811865476,
      12.428932188134523},
     0x0f7f9a13807b0a55,
     0x3246bb4e96a91f0c},
};

TEST(Warp, PicturesEqualOpenCvBitForBit) {
  for (const OpenCvCase& expected : kOpenCvCases) {
    const Image warped =
        warp_affine(patterned(expected.from.height, expected.from.width, 3), expected.map, expected.to);
    EXPECT_EQ(warped.size(), expected.to);
    EXPECT_EQ(fnv(warped.pixels), expected.picture) << expected.map[0];
  }
}

TEST(Warp, MasksEqualOpenCvBitForBit) {
  for (const OpenCvCase& expected : kOpenCvCases) {
    const Image gray = patterned(expected.from.height, expected.from.width, 1);
    BitMask mask(gray.height, gray.width);
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = gray.pixels[i] / 64 % 2;
    const Rle warped = warp_affine_nearest(rle_encode(mask), expected.map, expected.to);
    EXPECT_EQ(fnv(rle_decode(warped).pixels), expected.mask) << expected.map[0];
  }
}

TEST(Warp, OneChannelIsThatChannelOfThree) {
  const OpenCvCase& test = kOpenCvCases[0];
  const Image three = warp_affine(patterned(37, 53, 3), test.map, test.to);
  const Image one = warp_affine(patterned(37, 53, 1), test.map, test.to);
  for (std::size_t i = 0; i < one.pixels.size(); ++i) ASSERT_EQ(one.pixels[i], three.pixels[3 * i]);
}

TEST(Warp, EmptyMasksStayEmpty) {
  const Rle empty{37, 53, {37 * 53}};
  EXPECT_EQ(warp_affine_nearest(empty, kOpenCvCases[0].map, {59, 64}), (Rle{59, 64, {59 * 64}}));
  // Moved out of the picture.
  const Rle full{4, 4, {0, 16}};
  EXPECT_EQ(rle_area(warp_affine_nearest(full, {1, 0, 50, 0, 1, 0}, {4, 4})), 0u);
  EXPECT_EQ(rle_area(warp_affine_nearest(full, {1, 0, 1, 0, 1, 2}, {4, 4})), 6u);
}

TEST(Warp, WrongSizesAreRefused) {
  EXPECT_THAT(
      [] {
        warp_affine(Image(), {1, 0, 0, 0, 1, 0}, {4, 4});
      },
      ThrowsMessage<Error>(HasSubstr("warp: the image must have sides from 1 to 32767, got 0 x 0")));
  EXPECT_THAT(
      [] {
        warp_affine(Image(4, 4), {1, 0, 0, 0, 1, 0}, {4, 40000});
      },
      ThrowsMessage<Error>(HasSubstr("warp: the new size must have sides from 1 to 32767, got 4 x 40000")));
  EXPECT_THAT(
      [] {
        warp_affine(Image(4, 4, 4), {1, 0, 0, 0, 1, 0}, {4, 4});
      },
      ThrowsMessage<Error>(HasSubstr("warp: the image must have 1 or 3 channels, got 4")));
  EXPECT_THAT(
      [] {
        warp_affine_nearest(Rle{0, 0, {0}}, {1, 0, 0, 0, 1, 0}, {4, 4});
      },
      ThrowsMessage<Error>(HasSubstr("warp: the mask must have sides from 1 to 32767, got 0 x 0")));
}

}  // namespace
}  // namespace fastermask
