#include "fastermask/training/row_loops.h"

#include <gtest/gtest.h>

#include <utility>

#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

TEST(ColumnSums, EqualDoublesSumsForAnyShape) {
  at::manual_seed(1);
  for (const auto& [rows, columns] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 5}, {1, 1}, {7, 3}, {64, 16}, {65, 80}, {2048, 12}, {9001, 33}}) {
    const at::Tensor values = at::randn({rows, columns}) + 3;
    const at::Tensor expected = values.to(at::kDouble).sum(0);
    EXPECT_LE((column_sums(values) - expected).abs().max().item<double>(), 2e-6 * (4.0 * static_cast<double>(rows) + 1))
        << rows << " x " << columns;
  }
}

TEST(ColumnSums, AreTheSameForEveryThreadCount) {
  const at::Tensor values = at::randn({20000, 40});
  set_num_threads(1);
  const at::Tensor alone = column_sums(values);
  set_num_threads(3);
  EXPECT_TRUE(at::equal(column_sums(values), alone));
  set_num_threads(0);
}

TEST(ColumnSums, TakeRowsThatDoNotLieTogether) {
  const at::Tensor values = at::randn({6, 100}).t();
  EXPECT_TRUE(at::allclose(column_sums(values), values.sum(0), 1e-5, 1e-5));
}

TEST(ScaledRows, EqualLibTorchForwardAndBackward) {
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{64, 32, 3, 3}, {5, 7, 1, 1}, {300, 257, 1, 1}}) {
    const at::Tensor scale = at::randn({sizes[0]});
    const at::Tensor weight = at::randn(sizes).requires_grad_(true);
    const at::Tensor twin = weight.detach().clone().requires_grad_(true);
    const at::Tensor got = scaled_rows(weight, scale.view({-1, 1, 1, 1}));
    const at::Tensor expected = twin * scale.view({-1, 1, 1, 1});
    EXPECT_TRUE(at::equal(got, expected));
    const at::Tensor factors = at::randn(sizes);
    (got * factors).sum().backward();
    (expected * factors).sum().backward();
    EXPECT_TRUE(at::equal(weight.grad(), twin.grad()));
  }
}

// Sizes that a stride does not divide, and maps in either order.
TEST(StridedPixels, AreTakenAndPutBack) {
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{2, 5, 9, 12}, {1, 70, 64, 31}, {2, 3, 1, 1}}) {
    for (const at::MemoryFormat order : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
      const at::Tensor map = at::randn(sizes).contiguous(order);
      const auto seen = [](const at::Tensor& of) { return of.slice(2, 0, c10::nullopt, 2).slice(3, 0, c10::nullopt, 2); };
      const at::Tensor pixels = strided_pixels(map, 2);
      EXPECT_TRUE(at::equal(pixels, seen(map)));
      EXPECT_TRUE(pixels.is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_TRUE(strided_pixels(map, 1).is_same(map));
      const at::Tensor target = channels_last(map).clone(), expected = target.clone();
      seen(expected).copy_(seen(map) * 3);
      put_strided_pixels(pixels * 3, 2, target);
      EXPECT_TRUE(at::equal(target, expected));
    }
  }
}

TEST(WindowSums, AreTheGradientOfNearestUpsampling) {
  for (const std::int64_t scale : {1, 2, 3}) {
    const at::Tensor map = at::randn({2, 37, 6, 12});
    const at::Tensor expected = at::upsample_nearest2d_backward(map, {6, 12}, {2, 37, 6 / scale, 12 / scale});
    EXPECT_TRUE(at::allclose(window_sums(map, scale), expected, 1e-6, 1e-6));
  }
}

TEST(SpreadWindows, EqualAPermutationForwardAndBackward) {
  const std::int64_t batch = 2, height = 5, width = 3, scale = 2, channels = 7;
  const at::Tensor rows = at::randn({batch * height * width, scale * scale * channels}).requires_grad_(true);
  const at::Tensor twin = rows.detach().clone().requires_grad_(true);
  const at::Tensor got = spread_windows(rows, batch, height, width, scale);
  const at::Tensor expected = twin.view({batch, height, width, scale, scale, channels})
                                  .permute({0, 1, 3, 2, 4, 5})
                                  .reshape({batch, height * scale, width * scale, channels})
                                  .permute({0, 3, 1, 2});
  EXPECT_TRUE(at::equal(got, expected));
  EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor factors = at::randn(got.sizes());
  (got * factors).sum().backward();
  (expected * factors).sum().backward();
  EXPECT_TRUE(at::equal(rows.grad(), twin.grad()));
}

TEST(ZeroMap, IsZeroAndChannelsLast) {
  const at::Tensor map = zero_map({2, 130, 61, 33}, at::TensorOptions(at::kFloat).requires_grad(true));
  EXPECT_TRUE(at::equal(map, at::zeros({2, 130, 61, 33})));
  EXPECT_TRUE(map.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(map.requires_grad());
  EXPECT_EQ(zero_map({0, 3, 4, 4}, at::TensorOptions(at::kFloat)).numel(), 0);
}

}  // namespace
}  // namespace fastermask
