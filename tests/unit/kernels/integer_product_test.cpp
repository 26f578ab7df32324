// The integer product against the obvious loops, at its limits too.
#include "fastermask/kernels/integer_product.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"

namespace fastermask {
namespace {

struct alignas(64) PanelLine {
  std::int8_t bytes[64];
};

std::vector<Isa> integer_isas() {
  std::vector<Isa> found = {Isa::generic};
  if (best_isa() != Isa::generic) found.push_back(Isa::avx2);
  if (best_isa() == Isa::avx512) found.push_back(Isa::avx512);
  return found;
}

// Every product exact, whatever the rows left over and the depth; `extreme`: the largest numbers there are.
void compare_integer_product(int rows, int columns, int depth, bool extreme) {
  Random random(static_cast<std::uint64_t>(rows * 1000 + depth), RandomPurpose::test);
  const int padded = (depth + kIntegerDepthStep - 1) / kIntegerDepthStep * kIntegerDepthStep;
  std::vector<std::uint8_t> a(static_cast<std::size_t>(rows * padded), 0);
  std::vector<std::int8_t> weight(static_cast<std::size_t>(columns * depth));
  for (int r = 0; r < rows; ++r) {
    for (int k = 0; k < padded; ++k)  // what lies behind the depth meets zeros
      a[static_cast<std::size_t>(r * padded + k)] =
          static_cast<std::uint8_t>(extreme ? kIntegerActivationMax : random.uniform_int(kIntegerActivationMax + 1));
  }
  for (std::size_t i = 0; i < weight.size(); ++i) {
    const bool negative = i / static_cast<std::size_t>(depth) % 2 == 1;
    weight[i] = static_cast<std::int8_t>(extreme ? (negative ? -kIntegerWeightMax : kIntegerWeightMax)
                                                 : random.uniform_int(2 * kIntegerWeightMax + 1) - kIntegerWeightMax);
  }
  std::vector<PanelLine> panel(integer_panel_bytes(depth) / sizeof(PanelLine) + 1);
  pack_integer_panel(weight.data(), columns, depth, panel.front().bytes);
  for (const Isa isa : integer_isas()) {
    std::vector<std::int32_t> c(static_cast<std::size_t>(rows) * kIntegerPanelWidth + 3, -1);
    IntegerProduct product;
    product.a = a.data();
    product.a_stride = padded;
    product.panel = panel.front().bytes;
    product.sums = c.data();
    product.rows = rows;
    product.depth = padded;
    integer_ops(isa).multiply_panel(product);
    for (int r = 0; r < rows; ++r) {
      for (int n = 0; n < kIntegerPanelWidth; ++n) {
        std::int32_t expected = 0;
        for (int k = 0; k < depth && n < columns; ++k)
          expected += a[static_cast<std::size_t>(r * padded + k)] * weight[static_cast<std::size_t>(n * depth + k)];
        ASSERT_EQ(c[static_cast<std::size_t>(r * kIntegerPanelWidth + n)], expected)
            << "row " << r << " column " << n << " isa " << static_cast<int>(isa);
      }
    }
    EXPECT_EQ(c.back(), -1) << "written behind the last row";
  }
}

TEST(IntegerProduct, IsExact) {
  for (const int rows : {0, 1, 2, 5, 6, 7, 11, 18}) {
    for (const int depth : {1, 4, 8, 9, 64, 147, 576})
      compare_integer_product(rows, rows % 2 == 0 ? 16 : 13, depth, false);
  }
}

TEST(IntegerProduct, IsExactWithTheLargestNumbers) { compare_integer_product(7, 16, 4608, true); }

TEST(IntegerProduct, RefusesWeightsThatCouldOverflow) {
  const std::int8_t weight[8] = {0, 0, 0, 64, 0, 0, 0, 0};
  PanelLine panel[2];
  EXPECT_THROW(pack_integer_panel(weight, 1, 8, panel[0].bytes), Error);
}

}  // namespace
}  // namespace fastermask
