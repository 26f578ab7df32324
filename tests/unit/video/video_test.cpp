// Videos written and read back through the module, as the programs do it.
#include "fastermask/video/video.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

// A bright square that moves to the right, 4 pixels a frame, over a dark gradient.
Image scene(int height, int width, int number) {
  Image image(height, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* pixel = image.row(y) + 3 * x;
      const bool square = y >= 16 && y < 32 && x >= 4 * number && x < 4 * number + 16;
      pixel[0] = static_cast<std::uint8_t>(square ? 40 : x / 2);
      pixel[1] = static_cast<std::uint8_t>(square ? 200 : y / 2);
      pixel[2] = static_cast<std::uint8_t>(square ? 230 : 20);
    }
  }
  return image;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

void write_scenes(const std::string& path, ImageSize size, int frames, double frames_per_second) {
  VideoWriter writer(path, {size, frames_per_second, 0});
  for (int i = 0; i < frames; ++i) writer.write(scene(size.height, size.width, i));
  EXPECT_FALSE(is_file(path)) << "the file must not appear before it is whole";
  writer.finish();
}

class Video : public testing::TestWithParam<const char*> {};

TEST_P(Video, ComesBackFrameByFrame) {
  const testing_support::TemporaryFolder folder;
  const std::string path = folder / (std::string("clip") + GetParam());
  write_scenes(path, {64, 96}, 12, 12.5);
  VideoReader reader(path);
  EXPECT_EQ(reader.properties().size, (ImageSize{64, 96}));
  EXPECT_NEAR(reader.properties().frames_per_second, 12.5, 0.01);
  EXPECT_EQ(reader.properties().frame_count, 12);
  Image frame;
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(reader.read(frame)) << i;
    const double own = mean_difference(frame, scene(64, 96, i));
    EXPECT_LT(own, 3.5) << i;
    EXPECT_LT(own, 0.7 * mean_difference(frame, scene(64, 96, i + 1))) << i;  // the codec keeps frames apart
  }
  const Image taken = std::move(frame);
  EXPECT_FALSE(reader.read(frame));  // into a picture whose pixels were moved away
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(path).parent_path()), fs::directory_iterator()), 1);
}

INSTANTIATE_TEST_SUITE_P(Endings, Video, testing::Values(".mp4", ".mov", ".mkv", ".avi", ".webm"));

TEST(VideoFiles, OddSizesLoseTheLastRowAndColumn) {
  const testing_support::TemporaryFolder folder;
  const std::string path = folder / "odd.mp4";
  write_scenes(path, {65, 97}, 3, 25);
  EXPECT_EQ(VideoReader(path).properties().size, (ImageSize{64, 96}));
}

TEST(VideoFiles, DamagedAndForeignOnesAreRefused) {
  const testing_support::TemporaryFolder folder;
  const std::string text = folder / "text.mp4", cut = folder / "cut.mp4";
  write_file_atomic(text, "this is not a video");
  EXPECT_THROW(VideoReader{text}, DataError);
  EXPECT_THROW(VideoReader{folder / "missing.mp4"}, DataError);
  const std::string whole = folder / "whole.mp4";
  write_scenes(whole, {64, 96}, 12, 25);
  const std::string content = read_file(whole);
  write_file_atomic(cut, content.substr(0, content.size() / 2));
  EXPECT_THROW(VideoReader{cut}, DataError);
}

TEST(VideoFiles, WhatCannotBeWrittenIsRefused) {
  const testing_support::TemporaryFolder folder;
  EXPECT_THROW(VideoWriter(folder / "clip.gif", {{64, 96}, 25, 0}), DataError);
  EXPECT_THROW(VideoWriter(folder / "clip.mp4", {{1, 96}, 25, 0}), DataError);
  VideoWriter writer(folder / "clip.mp4", {{64, 96}, 25, 0});
  EXPECT_THROW(writer.write(Image(32, 96)), DataError);
  EXPECT_THROW(writer.write(Image(64, 96, 1)), DataError);
}

TEST(VideoFiles, AnUnfinishedOneLeavesNothing) {
  const testing_support::TemporaryFolder folder;
  {
    VideoWriter writer(folder / "clip.mp4", {{64, 96}, 25, 0});
    writer.write(scene(64, 96, 0));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace fastermask
