// Blends of colours, by hand.
#include "fastermask/kernels/colour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fastermask/kernels/colour_isa.h"

namespace fastermask {
namespace {

using ::testing::ElementsAre;

Image colour_pixels(const std::vector<std::uint8_t>& values, int channels = 3) {
  Image image(1, static_cast<int>(values.size()) / channels, channels);
  image.pixels.assign(values.begin(), values.end());
  return image;
}

TEST(Colour, ScalingClipsAndCuts) {
  Image image = colour_pixels({0, 100, 255, 7, 1, 200});
  scale_colours(image, 1.5, 0);  // 0, 150, 382.5, 10.5, 1.5, 300
  EXPECT_THAT(image.pixels, ElementsAre(0, 150, 255, 10, 1, 255));
  image = colour_pixels({0, 100, 255});
  scale_colours(image, 0.5, 60.75);  // 60.75, 110.75, 188.25
  EXPECT_THAT(image.pixels, ElementsAre(60, 110, 188));
  image = colour_pixels({0, 100, 255});
  scale_colours(image, 2, -100.5);  // -100.5, 99.5, 409.5
  EXPECT_THAT(image.pixels, ElementsAre(0, 99, 255));
}

TEST(Colour, AllCopiesScaleAndSumAlike) {
  std::vector<std::uint8_t> all(70000);
  std::uint64_t expected_sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) expected_sum += all[i] = static_cast<std::uint8_t>(i * 7 / 3);
  for (const float weight : {0.0f, 0.3f, 1.0f, 1.7f, 300.0f}) {
    for (const float offset : {-90.25f, 0.0f, 61.5f, 400.0f}) {
      std::vector<std::uint8_t> expected;
      for (const std::uint8_t pixel : all) {
        const float scaled = weight * static_cast<float>(pixel);
        expected.push_back(static_cast<std::uint8_t>(std::min(std::max(offset + scaled, 0.0f), 255.0f)));
      }
      for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512}) {
        if (isa > best_isa()) continue;
        std::vector<std::uint8_t> got = all;
        FASTERMASK_PICK_COPY(scale_bytes, isa)(got.data(), got.size(), weight, offset);
        EXPECT_EQ(got, expected) << weight << ' ' << offset;
        EXPECT_EQ(FASTERMASK_PICK_COPY(sum_bytes, isa)(all.data(), all.size()), expected_sum);
      }
    }
  }
}

TEST(Colour, AllCopiesSaturateAlike) {
  std::vector<std::uint8_t> all(3 * 1001);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i * i / 7);
  for (const double weight : {0.0, 0.4, 1.0, 1.6}) {
    for (const int red : {0, 2}) {
      std::vector<std::uint8_t> expected = all;
      for (std::size_t i = 0; i < all.size(); i += 3) {
        const double gray = 0.299 * all[i + static_cast<std::size_t>(red)] + 0.587 * all[i + 1] +
                            0.114 * all[i + static_cast<std::size_t>(2 - red)];
        for (std::size_t c = 0; c < 3; ++c) {
          const float product = static_cast<float>(weight) * static_cast<float>(all[i + c]);
          const double value = (1 - weight) * gray + static_cast<double>(product);
          expected[i + c] = static_cast<std::uint8_t>(std::min(std::max(value, 0.0), 255.0));
        }
      }
      for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512}) {
        if (isa > best_isa()) continue;
        std::vector<std::uint8_t> got = all;
        FASTERMASK_PICK_COPY(saturate_pixels, isa)(got.data(), got.size() / 3, weight, red);
        EXPECT_EQ(got, expected) << weight << ' ' << red;
      }
    }
  }
}

TEST(Colour, ShiftsAreOfTheirChannel) {
  Image image = colour_pixels({10, 20, 30, 250, 5, 128});
  shift_colours(image, {0.5, -10.25, 10});
  EXPECT_THAT(image.pixels, ElementsAre(10, 9, 40, 250, 0, 138));
  Image gray = colour_pixels({10, 20}, 1);
  shift_colours(gray, {5, 5, 5});
  EXPECT_THAT(gray.pixels, ElementsAre(10, 20));
}

TEST(Colour, TheMeanIsOverAllChannels) {
  EXPECT_DOUBLE_EQ(mean_colour(colour_pixels({1, 2, 3, 4, 5, 8})), 23.0 / 6);
  EXPECT_EQ(mean_colour(Image()), 0);
}

TEST(Colour, SaturationMovesTowardsAndAwayFromGray) {
  // R 200, G 100, B 50: gray 59.8 + 58.7 + 5.7 = 124.2. Half-way: 162.1, 112.1, 87.1. Twice: 275.8, 75.8, -24.2.
  Image rgb = colour_pixels({200, 100, 50});
  saturate_colours(rgb, 0.5, true);
  EXPECT_THAT(rgb.pixels, ElementsAre(162, 112, 87));
  Image bgr = colour_pixels({50, 100, 200});
  saturate_colours(bgr, 0.5, false);
  EXPECT_THAT(bgr.pixels, ElementsAre(87, 112, 162));
  bgr = colour_pixels({50, 100, 200});
  saturate_colours(bgr, 2, false);
  EXPECT_THAT(bgr.pixels, ElementsAre(0, 75, 255));
}

}  // namespace
}  // namespace fastermask
