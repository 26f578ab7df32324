// Region pooling as a differentiable operation: its gradient against differences of its own values.
#include "fastermask/training/roi_align_autograd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/base/random.h"
#include "fastermask/training/gradient_sum.h"

namespace fastermask {
namespace {

std::vector<float> random_floats(std::int64_t count, std::uint64_t seed) {
  Random random(seed, RandomPurpose::test);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.uniform(-1, 1)));
  return values;
}

const Shape kShapes[] = {{2, 3, 6, 7}, {2, 3, 3, 4}};
const std::vector<LevelSpec> kLevels = {{"p2", 4, 3}, {"p3", 8, 3}};
const std::vector<Roi> kRois = {
    {0, 0, {1, 2, 17, 20}}, {1, 0, {-6, 3, 9, 40}}, {1, 1, {4, 4, 30, 22}}, {0, 1, {10, 1, 13, 5}}};

std::vector<at::Tensor> features() {
  std::vector<at::Tensor> all;
  for (const Shape& shape : kShapes) {
    const at::Tensor values = to_tensor(random_floats(element_count(shape), 10 + all.size())).view(shape);
    all.push_back(channels_last(values).detach().set_requires_grad(true));
  }
  return all;
}

void expect_gradient_of_differences(const PoolerSpec& pooler, double step, double tolerance) {
  const std::vector<at::Tensor> inputs = features();
  const at::Tensor output = pool_regions(inputs, kLevels, kRois, pooler);
  ASSERT_EQ(Shape(output.sizes().vec()), (Shape{4, 3, pooler.resolution, pooler.resolution}));
  const at::Tensor weights = to_tensor(random_floats(output.numel(), 5)).view(output.sizes());
  (output * weights).sum().backward();
  int compared = 0;
  const at::NoGradGuard no_grad;
  for (const at::Tensor& input : inputs) {
    for (std::int64_t i = 0; i < input.numel(); i += 2) {
      const std::int64_t n = i / (input.size(1) * input.size(2) * input.size(3));
      const std::int64_t c = i / (input.size(2) * input.size(3)) % input.size(1);
      const std::int64_t y = i / input.size(3) % input.size(2), x = i % input.size(3);
      at::Tensor cell = input[n][c][y][x];
      const float kept = cell.item<float>();
      const auto weighted = [&](double value) {
        cell.fill_(value);
        return (pool_regions(inputs, kLevels, kRois, pooler) * weights).to(at::kDouble).sum().item<double>();
      };
      const double difference = (weighted(kept + step) - weighted(kept - step)) / (2 * step);
      cell.fill_(kept);
      EXPECT_NEAR(input.grad()[n][c][y][x].item<double>(), difference, tolerance)
          << n << " " << c << " " << y << " " << x;
      compared += std::abs(difference) > 1e-3;
    }
  }
  EXPECT_GT(compared, 15);  // enough cells do count
}

TEST(PoolRegions, RoiAlignsGradientEqualsDifferences) {
  // Linear in the features, so that a large step is exact.
  expect_gradient_of_differences({3, 2, true, false}, 0.5, 2e-5);
  expect_gradient_of_differences({2, 0, true, false}, 0.5, 2e-5);
  expect_gradient_of_differences({3, 0, false, false}, 0.5, 2e-5);
}

TEST(PoolRegions, RoiPoolsGradientEqualsDifferences) { expect_gradient_of_differences({2, 0, true, true}, 1e-4, 2e-3); }

// Levels that other layers read, too, of which one came out of a relu: their gradients are summed in place.
TEST(PoolRegions, SharesItsLevelsGradients) {
  const PoolerSpec pooler = {3, 2, true, false};
  const auto gradients = [&](bool summed) {
    const std::vector<at::Tensor> leaves = features();
    std::vector<at::Tensor> levels = {at::relu(leaves[0]), leaves[1] * 2};
    if (summed) levels = {sum_gradients(levels[0], true), sum_gradients(levels[1], false)};
    at::Tensor loss = (levels[0] * levels[0]).sum() + levels[1].sum();
    for (int i = 0; i < 2; ++i) loss = loss + pool_regions(levels, kLevels, kRois, pooler).square().sum();
    loss.backward();
    return std::vector<at::Tensor>{leaves[0].grad(), leaves[1].grad()};
  };
  const std::vector<at::Tensor> got = gradients(true), expected = gradients(false);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_LT((got[i] - expected[i]).abs().max().item<float>(), 1e-5);
}

TEST(PoolRegions, FeaturesInAnyMemoryOrderGiveTheSame) {
  std::vector<at::Tensor> planes;
  for (const at::Tensor& feature : features()) planes.push_back(feature.detach().contiguous());
  const PoolerSpec pooler = {3, 2, true, false};
  EXPECT_TRUE(
      at::equal(pool_regions(features(), kLevels, kRois, pooler), pool_regions(planes, kLevels, kRois, pooler)));
}

// Regions of 16 bits are the rounded ones, and their gradient the one of the rounded numbers; maps' gradients are floats.
TEST(PoolRegions, KeepsBf16WhereAsked) {
  const PoolerSpec pooler = {3, 2, true, false};
  for (const bool summed : {false, true}) {
    const auto pooled_and_gradients = [&](at::ScalarType numbers) {
      const std::vector<at::Tensor> leaves = features();
      std::vector<at::Tensor> levels = {leaves[0] * 1, leaves[1] * 1};
      if (summed) levels = {sum_gradients(levels[0], false), sum_gradients(levels[1], false)};
      const at::Tensor pooled = pool_regions(levels, kLevels, kRois, pooler, numbers);
      EXPECT_EQ(pooled.scalar_type(), numbers);
      const at::Tensor factors = to_tensor(random_floats(pooled.numel(), 5)).view(pooled.sizes()).to(at::kBFloat16);
      pooled.backward(factors.to(numbers));
      return std::vector<at::Tensor>{pooled.detach(), leaves[0].grad(), leaves[1].grad()};
    };
    const std::vector<at::Tensor> got = pooled_and_gradients(at::kBFloat16), floats = pooled_and_gradients(at::kFloat);
    EXPECT_TRUE(at::equal(got[0], floats[0].to(at::kBFloat16)));
    for (std::size_t i = 1; i < got.size(); ++i) {
      EXPECT_EQ(got[i].scalar_type(), at::kFloat);
      EXPECT_TRUE(at::equal(got[i], floats[i])) << i;
    }
  }
  const PoolerSpec max_pooler = {3, 2, true, true};
  EXPECT_EQ(pool_regions(features(), kLevels, kRois, max_pooler, at::kBFloat16).scalar_type(), at::kFloat);
}

TEST(PoolRegions, OneFeatureALevelIsAsked) {
  EXPECT_THAT([] { pool_regions({features()[0]}, kLevels, kRois, {}); },
              testing::ThrowsMessage<Error>("pool_regions: 1 features for 2 levels"));
}

}  // namespace
}  // namespace fastermask
