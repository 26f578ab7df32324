#include "fastermask/training/flatten_autograd.h"

#include <gtest/gtest.h>

namespace fastermask {
namespace {

TEST(FlattenMap, EqualsLibTorchForwardAndBackward) {
  for (const auto& sizes :
       std::vector<std::vector<std::int64_t>>{{5, 40, 3, 7}, {1, 1, 1, 1}, {2, 16, 1, 5}, {0, 4, 2, 2}}) {
    for (const at::MemoryFormat order : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous}) {
      const at::Tensor map = at::randn(sizes).contiguous(order).requires_grad_(true);
      const at::Tensor twin = map.detach().clone().requires_grad_(true);
      const at::Tensor got = flatten_map(map), expected = at::flatten(twin, 1);
      EXPECT_TRUE(at::equal(got, expected));
      const at::Tensor factors = at::randn(expected.sizes());
      (got * factors).sum().backward();
      (expected * factors).sum().backward();
      EXPECT_TRUE(at::equal(map.grad(), twin.grad()));
    }
  }
}

TEST(FlattenMap, GivesFloatRowsOfBf16AndABf16Gradient) {
  for (const auto& sizes : std::vector<std::vector<std::int64_t>>{{5, 40, 3, 7}, {3, 256, 7, 7}, {0, 4, 2, 2}}) {
    const at::Tensor map =
        at::randn(sizes).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
    const at::Tensor got = flatten_map(map), expected = at::flatten(map.detach().to(at::kFloat), 1);
    EXPECT_EQ(got.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(got, expected));
    const at::Tensor factors = at::randn(expected.sizes());
    (got * factors).sum().backward();
    EXPECT_EQ(map.grad().scalar_type(), at::kBFloat16);
    EXPECT_TRUE(at::equal(map.grad(), factors.view(sizes).to(at::kBFloat16)));
  }
}

}  // namespace
}  // namespace fastermask
