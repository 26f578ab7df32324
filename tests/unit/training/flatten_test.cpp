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

}  // namespace
}  // namespace fastermask
