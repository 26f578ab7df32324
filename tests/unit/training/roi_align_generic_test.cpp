// RoIAlign of standard operations against the CPU's own kernel, forward and backward.
#include "fastermask/training/roi_align_generic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/random.h"
#include "fastermask/training/roi_align_autograd.h"

namespace fastermask {
namespace {

std::vector<at::Tensor> random_features() {
  Random random(4, RandomPurpose::test);
  std::vector<at::Tensor> features;
  for (const Shape& shape : {Shape{2, 5, 40, 52}, Shape{2, 5, 20, 26}}) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < element_count(shape); ++i) values.push_back(static_cast<float>(random.uniform(-1, 1)));
    features.push_back(channels_last(to_tensor(values).view(shape)).detach().set_requires_grad(true));
  }
  return features;
}

std::vector<Roi> random_rois(int count) {
  Random random(5, RandomPurpose::test);
  std::vector<Roi> rois;
  for (int i = 0; i < count; ++i) {
    const auto x = static_cast<float>(random.uniform(-20, 200)), y = static_cast<float>(random.uniform(-20, 150));
    const auto w = static_cast<float>(random.uniform(0, 90)), h = static_cast<float>(random.uniform(0, 90));
    rois.push_back({i % 2, i / 2 % 2, {x, y, x + w, y + h}});
  }
  rois.push_back({0, 0, {10, 10, 10, 10}});  // of no size
  return rois;
}

TEST(AlignRegions, EqualsTheKernelForwardAndBackward) {
  const std::vector<LevelSpec> levels = {{"p2", 4, 5}, {"p3", 8, 5}};
  const std::vector<Roi> rois = random_rois(150);  // more entries than are gathered at once
  for (const PoolerSpec& pooler :
       {PoolerSpec{7, 0, true, false}, PoolerSpec{7, 2, true, false}, PoolerSpec{14, 0, false, false}}) {
    const std::vector<at::Tensor> for_kernel = random_features(), generic = random_features();
    const at::Tensor expected = pool_regions(for_kernel, levels, rois, pooler);
    const at::Tensor got = align_regions(generic, {0.25f, 0.125f}, rois,
                                         {pooler.resolution, pooler.resolution, pooler.sampling_ratio, pooler.aligned});
    EXPECT_LE((expected - got).abs().max().item<double>(), 2e-6);
    const at::Tensor weights = expected.detach().cos();
    (expected * weights).sum().backward();
    (got * weights).sum().backward();
    for (std::size_t i = 0; i < generic.size(); ++i) {
      ASSERT_TRUE(generic[i].grad().defined());
      const double largest = for_kernel[i].grad().abs().max().item<double>();
      EXPECT_GT(largest, 0.1);
      EXPECT_LE((for_kernel[i].grad() - generic[i].grad()).abs().max().item<double>(), 2e-6 * largest);
    }
  }
}

TEST(AlignRegions, NoRegionsGiveNoneAndAZeroGradient) {
  const std::vector<at::Tensor> features = random_features();
  const at::Tensor got = align_regions(features, {0.25f, 0.125f}, {}, {7, 7, 0, true});
  EXPECT_EQ(Shape(got.sizes().vec()), (Shape{0, 5, 7, 7}));
  got.sum().backward();
  EXPECT_EQ(features[0].grad().abs().sum().item<double>(), 0);
}

TEST(AlignRegions, ARegionOfAMissingImageIsRefused) {
  EXPECT_THAT(
      [] {
        align_regions(random_features(), {0.25f, 0.125f}, {{2, 0, {0, 0, 9, 9}}}, {7, 7, 0, true});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("roi_align")));
}

}  // namespace
}  // namespace fastermask
