// RoIAlign on devices against the CPU's own kernel, forward and backward: of standard operations, and by threads of our
// own, which here run on the host.
#include "fastermask/training/roi_align_generic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/random.h"
#include "fastermask/training/roi_align_autograd.h"
#include "fastermask/training/roi_align_device.h"
#include "support/roi_align_threads.h"

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

const RoiAlignLaunchers kHostLaunchers = {
    [](const RoiAlignForward& work, const at::Device&) { run_roi_align_threads(work); },
    [](const RoiAlignBackward& work, const at::Device&) { run_roi_align_threads(work); }};

TEST(AlignRegions, EqualsTheKernelForwardAndBackward) {
  const std::vector<LevelSpec> levels = {{"p2", 4, 5}, {"p3", 8, 5}};
  const std::vector<Roi> rois = random_rois(150);  // more entries than are gathered at once
  for (const PoolerSpec& pooler :
       {PoolerSpec{7, 0, true, false}, PoolerSpec{7, 2, true, false}, PoolerSpec{14, 0, false, false}}) {
    const RoiAlignParams params = {pooler.resolution, pooler.resolution, pooler.sampling_ratio, pooler.aligned};
    for (const bool threads : {false, true}) {
      const std::vector<at::Tensor> for_kernel = random_features(), generic = random_features();
      const at::Tensor expected = pool_regions(for_kernel, levels, rois, pooler);
      const at::Tensor got = threads ? align_regions_on_device(kHostLaunchers, generic, {0.25f, 0.125f}, rois, params)
                                     : align_regions(generic, {0.25f, 0.125f}, rois, params);
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
}

TEST(AlignRegions, ThreadsOfOurOwnTakeFeaturesInAnyMemoryOrder) {
  const std::vector<Roi> rois = random_rois(9);
  std::vector<at::Tensor> planes;
  for (const at::Tensor& feature : random_features()) planes.push_back(feature.detach().contiguous());
  const auto pool = [&](const std::vector<at::Tensor>& features, const std::vector<Roi>& regions) {
    return align_regions_on_device(kHostLaunchers, features, {0.25f, 0.125f}, regions, {7, 7, 2, true});
  };
  EXPECT_TRUE(at::equal(pool(planes, rois), pool(random_features(), rois)));
  const std::vector<at::Tensor> features = random_features();
  const at::Tensor none = pool(features, {});
  EXPECT_EQ(Shape(none.sizes().vec()), (Shape{0, 5, 7, 7}));
  none.sum().backward();
  EXPECT_EQ(features[0].grad().abs().sum().item<double>(), 0);
  EXPECT_THAT([&] { pool({features[0]}, rois); },
              testing::ThrowsMessage<Error>("align_regions_on_device: 1 features for 2 levels"));
  EXPECT_THAT(
      [&] {
        pool({features[0], features[1].to(at::kDouble)}, rois);
      },
      testing::ThrowsMessage<Error>("align_regions_on_device: features must be float32 and on one device"));
}

TEST(AlignRegions, TheCpuNeedsNoThreadsOfOurOwn) { EXPECT_EQ(roi_align_launchers(at::kCPU), nullptr); }

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
