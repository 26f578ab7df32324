// RoIAlign as devices compute it, thread by thread on the host: against its plain twin.
#include "fastermask/kernels/roi_align_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/base/random.h"
#include "fastermask/kernels/ref_roi_align.h"
#include "support/roi_align_threads.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Three levels of two images, the smallest below one tile; rois over the edges, some of no size.
struct DeviceScene {
  explicit DeviceScene(int channel_count) : channels(channel_count) {
    Random random(21, RandomPurpose::test);
    const int sizes[3][2] = {{33, 40}, {17, 20}, {5, 3}};
    for (int l = 0; l < 3; ++l) {
      std::vector<float> values(static_cast<std::size_t>(2 * sizes[l][0] * sizes[l][1] * channels));
      for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
      features.push_back(values);
      gradients.emplace_back(values.size(), -7.0f);
      const float scale = 0.25f / static_cast<float>(1 << l);
      levels.push_back({features.back().data(), 2, sizes[l][0], sizes[l][1], channels, scale});
    }
    for (int r = 0; r < 90; ++r) {
      const auto number = [&](double low, double high) { return static_cast<float>(random.uniform(low, high)); };
      const float x = number(-40, 160), y = number(-40, 130), extent = r % 10 == 0 ? 0.0f : 90.0f;
      rois.push_back({r % 2, r % 3, {x, y, x + number(0, extent), y + number(0, extent)}});
    }
  }

  std::vector<float> forward(const RoiAlignParams& params) const {
    const RoiTables tables = roi_tables_by_bin(levels, rois, params);
    RoiAlignForward work;
    work.tables = tables.view();
    for (std::size_t l = 0; l < levels.size(); ++l)
      work.levels[l] = {levels[l].data, levels[l].height, levels[l].width};
    work.num_rois = static_cast<std::int64_t>(rois.size());
    work.pooled_height = params.pooled_height;
    work.pooled_width = params.pooled_width;
    work.channels = channels;
    std::vector<float> output(output_size(params), -7.0f);
    work.output = output.data();
    run_roi_align_threads(work);
    return output;
  }

  void backward(const RoiAlignParams& params, const std::vector<float>& grad_output) {
    const RoiTables tables = roi_tables_by_pixel(levels, rois, params);
    const RoiTiles tiles = roi_tiles(levels, tables);
    for (std::size_t l = 0; l < levels.size(); ++l) {
      RoiAlignBackward work;
      work.tables = tables.view();
      work.tile_starts = tiles.starts.data() + tiles.first[l];
      work.tile_rois = tiles.rois.data();
      work.num_images = levels[l].batch;
      work.height = levels[l].height;
      work.width = levels[l].width;
      work.pooled_height = params.pooled_height;
      work.pooled_width = params.pooled_width;
      work.channels = channels;
      work.grad_output = grad_output.data();
      work.gradient = gradients[l].data();
      run_roi_align_threads(work);
    }
  }

  std::size_t output_size(const RoiAlignParams& params) const {
    return rois.size() * static_cast<std::size_t>(params.pooled_height * params.pooled_width * channels);
  }

  int channels;
  std::vector<std::vector<float>> features, gradients;
  std::vector<FeatureLevel> levels;
  std::vector<Roi> rois;
};

double largest_gap(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = a.size() == b.size() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

const std::vector<RoiAlignParams> kDeviceParams = {{7, 7, 0, true},  {7, 7, 2, true}, {7, 7, 2, false},
                                                   {3, 5, 0, false}, {1, 1, 0, true}, {14, 14, 0, true}};

TEST(RoiAlignThreads, EqualThePlainTwinForward) {
  for (const int channels : {1, 5, 32}) {
    const DeviceScene scene(channels);
    for (const RoiAlignParams& params : kDeviceParams) {
      std::vector<float> expected(scene.output_size(params));
      ref_roi_align_forward(scene.levels, scene.rois, params, expected.data());
      EXPECT_LE(largest_gap(scene.forward(params), expected), 3e-6);
    }
  }
}

TEST(RoiAlignThreads, EqualThePlainTwinBackward) {
  for (const int channels : {1, 5, 32}) {
    DeviceScene scene(channels);
    for (const RoiAlignParams& params : kDeviceParams) {
      Random random(22, RandomPurpose::test);
      std::vector<float> grad_output(scene.output_size(params));
      for (float& value : grad_output) value = static_cast<float>(random.uniform(-1, 1));
      std::vector<std::vector<float>> expected;
      std::vector<FeatureLevelGradient> levels;
      for (const FeatureLevel& level : scene.levels) {
        expected.emplace_back(scene.features[expected.size()].size());
        levels.push_back(
            {expected.back().data(), level.batch, level.height, level.width, channels, level.spatial_scale});
      }
      ref_roi_align_backward(levels, scene.rois, params, grad_output.data());
      scene.backward(params, grad_output);
      for (std::size_t l = 0; l < expected.size(); ++l) {
        double largest = 1;
        for (const float value : expected[l]) largest = std::max(largest, std::abs(static_cast<double>(value)));
        EXPECT_LE(largest_gap(scene.gradients[l], expected[l]), 2e-6 * largest) << "level " << l;
      }
    }
  }
}

TEST(RoiAlignThreads, HaveTheSameTablesForEveryThreadCount) {
  const DeviceScene scene(2);
  const int threads = num_threads();
  set_num_threads(1);
  const RoiTables one = roi_tables_by_pixel(scene.levels, scene.rois, {7, 7, 0, true});
  set_num_threads(3);
  const RoiTables three = roi_tables_by_pixel(scene.levels, scene.rois, {7, 7, 0, true});
  set_num_threads(threads);
  EXPECT_EQ(one.starts, three.starts);
  EXPECT_EQ(one.indices, three.indices);
  EXPECT_EQ(one.weights, three.weights);
}

TEST(RoiAlignThreads, TilesListTheirRoisInRisingOrder) {
  const DeviceScene scene(1);
  const RoiTiles tiles = roi_tiles(scene.levels, roi_tables_by_pixel(scene.levels, scene.rois, {7, 7, 0, true}));
  EXPECT_THAT(tiles.first, ::testing::ElementsAre(0, 2 * 5 * 5, 2 * 5 * 5 + 2 * 3 * 3));
  ASSERT_EQ(tiles.starts.size(), 2 * 5 * 5 + 2 * 3 * 3 + 2 * 1 * 1 + 1u);
  EXPECT_EQ(tiles.starts.back(), static_cast<int>(tiles.rois.size()));
  for (std::size_t i = 0; i + 1 < tiles.starts.size(); ++i)
    EXPECT_TRUE(std::is_sorted(tiles.rois.begin() + tiles.starts[i], tiles.rois.begin() + tiles.starts[i + 1]));
}

TEST(RoiAlignThreads, NoRoisGiveAZeroGradient) {
  DeviceScene scene(2);
  scene.rois.clear();
  EXPECT_TRUE(scene.forward({7, 7, 0, true}).empty());
  scene.backward({7, 7, 0, true}, {});
  for (const std::vector<float>& gradient : scene.gradients)
    EXPECT_EQ(std::count(gradient.begin(), gradient.end(), 0.0f), static_cast<std::ptrdiff_t>(gradient.size()));
}

TEST(RoiAlignThreads, WrongArgumentsAreRefused) {
  DeviceScene scene(1);
  scene.rois[3].image = 2;
  EXPECT_THAT(
      [&] {
        roi_tables_by_bin(scene.levels, scene.rois, {7, 7, 0, true});
      },
      ThrowsMessage<Error>(HasSubstr("roi_align: roi 3 must name one of 2 images, got 2")));
  scene.levels.resize(9, scene.levels[0]);
  EXPECT_THAT(
      [&] {
        roi_tables_by_pixel(scene.levels, {}, {7, 7, 0, true});
      },
      ThrowsMessage<Error>("roi_align: at most 8 levels, got 9"));
}

}  // namespace
}  // namespace fastermask
