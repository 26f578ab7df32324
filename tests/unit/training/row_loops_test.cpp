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

}  // namespace
}  // namespace fastermask
