// Resizing: worked by hand, against the filter in double, and across instruction sets; sizes; mirroring.
#include "fastermask/kernels/resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Image random_image(int height, int width, int channels, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  Image image(height, width, channels);
  for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(random.uniform_int(256));
  return image;
}

// One line of values through the triangle filter, rounded to whole numbers.
std::vector<double> filtered(const std::vector<double>& in, int out) {
  const double scale = static_cast<double>(in.size()) / out;
  const double support = std::max(scale, 1.0);
  std::vector<double> result;
  for (int i = 0; i < out; ++i) {
    double sum = 0;
    double weights = 0;
    for (std::size_t j = 0; j < in.size(); ++j) {
      const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(j) + 0.5 - (i + 0.5) * scale) / support);
      sum += weight * in[j];
      weights += weight;
    }
    result.push_back(std::floor(sum / weights + 0.5));
  }
  return result;
}

TEST(Resize, HalvingAndDoublingALine) {
  Image image(1, 4, 1);
  image.pixels = {0, 100, 200, 40};
  // Halving: weights 1/8, 3/8, 3/8, 1/8 over four pixels, cut off and renormalised at the ends.
  // (3 * 0 + 3 * 100 + 200) / 7 and (100 + 3 * 200 + 3 * 40) / 7.
  EXPECT_THAT(resize_bilinear(image, {1, 2}).pixels, ElementsAre(71, 117));
  // Doubling: quarters.
  EXPECT_THAT(resize_bilinear(image, {1, 8}).pixels, ElementsAre(0, 25, 75, 125, 175, 160, 80, 40));
}

TEST(Resize, EqualsTheFilterInDoubleUpToTies) {
  for (const int channels : {1, 2, 3, 4}) {
    const Image image = random_image(23, 17, channels, static_cast<std::uint64_t>(channels));
    for (const ImageSize size : {ImageSize{23, 40}, ImageSize{23, 5}, ImageSize{23, 1}}) {
      const Image result = resize_bilinear(image, size);
      for (int y = 0; y < 23; ++y) {
        for (int c = 0; c < channels; ++c) {
          std::vector<double> line;
          for (int x = 0; x < 17; ++x) line.push_back(image.row(y)[x * channels + c]);
          const std::vector<double> expected = filtered(line, size.width);
          for (int x = 0; x < size.width; ++x) {
            ASSERT_NEAR(result.row(y)[x * channels + c], expected[static_cast<std::size_t>(x)], 1);
          }
        }
      }
    }
    const Image tall = resize_bilinear(image, {60, 17});
    for (int x = 0; x < 17 * channels; ++x) {
      std::vector<double> line;
      for (int y = 0; y < 23; ++y) line.push_back(image.row(y)[x]);
      const std::vector<double> expected = filtered(line, 60);
      for (int y = 0; y < 60; ++y) ASSERT_NEAR(tall.row(y)[x], expected[static_cast<std::size_t>(y)], 1);
    }
  }
}

TEST(Resize, GoesAlongRowsFirstThenColumns) {
  const Image image = random_image(40, 30, 3, 7);
  EXPECT_EQ(resize_bilinear(image, {20, 70}).pixels,
            resize_bilinear(resize_bilinear(image, {40, 70}), {20, 70}).pixels);
}

TEST(Resize, KeepsAFlatImageFlat) {
  Image image(5, 7, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  const Image result = resize_bilinear(image, {41, 3});
  EXPECT_THAT(result.pixels, ::testing::Each(255));
  EXPECT_EQ(resize_bilinear(image, {5, 7}).pixels, image.pixels);
}

TEST(Resize, IsTheSameInALoaderThread) {
  const Image image = random_image(90, 70, 3, 8);
  const Image parallel = resize_bilinear(image, {150, 99});
  const SerialScope serial;
  EXPECT_EQ(resize_bilinear(image, {150, 99}).pixels, parallel.pixels);
}

TEST(Resize, AllCopiesGiveTheSameBits) {
  const Image image = random_image(1, 1000, 1, 9);
  const RowOps plain = row_ops(Isa::generic);
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    if (isa > best_isa()) continue;
    const RowOps ops = row_ops(isa);
    for (const int channels : {1, 3, 4}) {
      const std::vector<std::int32_t> starts = {0, 1, 5, 20, 40};
      const std::vector<std::int32_t> coefficients = {1 << 20, 3 << 20, 1 << 22, 0,       1 << 21,
                                                      1 << 21, 123456,  4070848, 2097151, 2097153};
      std::vector<std::uint8_t> a(static_cast<std::size_t>(5 * channels));
      std::vector<std::uint8_t> b = a;
      plain.resize_row(image.pixels.data(), channels, starts.data(), coefficients.data(), 2, 5, a.data());
      ops.resize_row(image.pixels.data(), channels, starts.data(), coefficients.data(), 2, 5, b.data());
      EXPECT_EQ(a, b);
    }
    for (const int taps : {2, 3}) {  // many rows at once, up to each one's end
      constexpr int kRows = 7;
      constexpr int kWidth = 29;
      std::vector<std::int32_t> starts;
      std::vector<std::int32_t> coefficients;
      for (int x = 0; x < kWidth; ++x) {
        starts.push_back(x * 3 / 2);
        for (int t = 0; t < taps; ++t)
          coefficients.push_back((1 << 22) / taps + (t == 0 ? 1000 * x : t == 1 ? -1000 * x : 0));
      }
      for (const int channels : {3, 4}) {
        const std::size_t row_bytes = static_cast<std::size_t>(kWidth * channels);
        std::vector<std::uint8_t> a(kRows * row_bytes);
        std::vector<std::uint8_t> b = a;
        std::vector<const std::uint8_t*> from;
        std::vector<std::uint8_t*> to;
        for (std::size_t y = 0; y < kRows; ++y) {
          from.push_back(image.pixels.data() + 100 * y);
          to.push_back(b.data() + y * row_bytes);
          plain.resize_row(from[y], channels, starts.data(), coefficients.data(), taps, kWidth,
                           a.data() + y * row_bytes);
        }
        ops.resize_rows(from.data(), kRows, channels, starts.data(), coefficients.data(), taps, kWidth, to.data());
        EXPECT_EQ(a, b) << taps << ' ' << channels;
      }
    }
    const std::uint8_t* rows[2] = {image.pixels.data(), image.pixels.data() + 300};
    const std::int32_t coefficients[2] = {1234567, 2959737};
    std::vector<std::uint8_t> a(333);
    std::vector<std::uint8_t> b = a;
    plain.resize_column(rows, coefficients, 2, 333, a.data());
    ops.resize_column(rows, coefficients, 2, 333, b.data());
    EXPECT_EQ(a, b);
  }
}

TEST(Resize, ShortestEdgeDecidesUnlessTheLongerIsTooLong) {
  EXPECT_EQ(resize_shortest_edge_size({480, 640}, 800, 1333), (ImageSize{800, 1067}));
  EXPECT_EQ(resize_shortest_edge_size({640, 480}, 800, 1333), (ImageSize{1067, 800}));
  EXPECT_EQ(resize_shortest_edge_size({300, 900}, 800, 1333), (ImageSize{444, 1333}));
  EXPECT_EQ(resize_shortest_edge_size({427, 640}, 224, 320), (ImageSize{213, 320}));  // 213.5 less a rounding error
  EXPECT_EQ(resize_shortest_edge_size({427, 640}, 0, 320), (ImageSize{427, 640}));
  EXPECT_EQ(resize_shortest_edge_size({1, 5000}, 800, 1333), (ImageSize{1, 1333}));
}

TEST(Resize, FlipsMirrorThePixels) {
  const Image image = random_image(5, 6, 3, 10);
  Image horizontal = image;
  Image vertical = image;
  flip_horizontal(horizontal);
  flip_vertical(vertical);
  for (int y = 0; y < 5; ++y) {
    for (int x = 0; x < 6; ++x) {
      for (int c = 0; c < 3; ++c) {
        EXPECT_EQ(horizontal.row(y)[x * 3 + c], image.row(y)[(5 - x) * 3 + c]);
        EXPECT_EQ(vertical.row(y)[x * 3 + c], image.row(4 - y)[x * 3 + c]);
      }
    }
  }
  Image empty(0, 0, 3);
  flip_horizontal(empty);
  flip_vertical(empty);
}

TEST(Resize, WrongArgumentsAreRefused) {
  const auto resize = [](Image image, ImageSize size) { return [image, size] { resize_bilinear(image, size); }; };
  EXPECT_THAT(resize(Image(), {4, 4}), ThrowsMessage<Error>(HasSubstr("the image must not be empty, got 0 x 0")));
  EXPECT_THAT(resize(Image(2, 2, 5), {4, 4}), ThrowsMessage<Error>(HasSubstr("must have 1 to 4 channels, got 5")));
  EXPECT_THAT(resize(Image(2, 2, 3), {0, 4}), ThrowsMessage<Error>(HasSubstr("must be positive, got 0 x 4")));
  EXPECT_THAT(
      [] {
        resize_shortest_edge_size({0, 3}, 1, 1);
      },
      ThrowsMessage<Error>(HasSubstr("the image must not be empty, got 0 x 3")));
  EXPECT_THAT(
      [] {
        resize_shortest_edge_size({3, 3}, -1, 0);
      },
      ThrowsMessage<Error>(HasSubstr("min_size must be >= 0 and max_size >= 1, got -1 and 0")));
}

TEST(Resize, APartIsThatPartOfTheWhole) {
  Random random(3, RandomPurpose::test);
  for (const ImageSize size : {ImageSize{31, 47}, ImageSize{60, 90}, ImageSize{12, 47}, ImageSize{31, 20},
                               ImageSize{9, 11}, ImageSize{31, 130}, ImageSize{77, 47}}) {
    for (const int channels : {1, 3, 4}) {
      Image source(31, 47, channels);
      for (std::uint8_t& pixel : source.pixels) pixel = static_cast<std::uint8_t>(random.uniform_int(256));
      const Image whole = resize_bilinear(source, size);
      for (int trial = 0; trial < 20; ++trial) {
        const int y0 = static_cast<int>(random.uniform_int(size.height));
        const int x0 = static_cast<int>(random.uniform_int(size.width));
        const ImageSize part{1 + static_cast<int>(random.uniform_int(size.height - y0)),
                             1 + static_cast<int>(random.uniform_int(size.width - x0))};
        EXPECT_EQ(resize_bilinear_part(source, size, y0, x0, part).pixels, crop_image(whole, y0, x0, part).pixels)
            << size.height << ' ' << size.width << ' ' << y0 << ' ' << x0;
        Image mirrored = crop_image(whole, y0, x0, part);
        flip_horizontal(mirrored);
        EXPECT_EQ(resize_bilinear_mirrored(source, size, y0, x0, part).pixels, mirrored.pixels)
            << size.height << ' ' << size.width << ' ' << y0 << ' ' << x0;
      }
    }
  }
  EXPECT_THAT(
      [] {
        resize_bilinear_part(Image(4, 4), {8, 8}, 4, 4, {5, 4});
      },
      ThrowsMessage<Error>(HasSubstr("must lie in the image of 8 x 8, got 5 x 4 from row 4, column 4")));
  EXPECT_THAT([] { crop_image(Image(4, 4), 0, 0, {0, 4}); }, ThrowsMessage<Error>(HasSubstr("got 0 x 4")));
}

}  // namespace
}  // namespace fastermask
