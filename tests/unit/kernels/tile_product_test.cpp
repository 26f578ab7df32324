// Products of tiles, on emulated tiles, against the obvious loops and the other instruction sets' products. Where the
// processor has tiles, the tests of convolutions run on these.
#include "fastermask/kernels/tile_product.h"

#include <gtest/gtest.h>

#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/tile_units.h"
#include "tile_emulator.h"

namespace fastermask {
namespace {

using Emulated = TileProduct<EmulatedTiles>;

std::vector<float> bf16_numbers(std::size_t count, int seed) {
  Random random(static_cast<std::uint64_t>(seed), RandomPurpose::test);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform_int(401) - 200) / 64;  // exact in 9 bits
  round_to_bf16(values.data(), values.data(), static_cast<std::int64_t>(count));
  return values;
}

// [parts][depth][columns] as pairs in panels, [panel][parts * depth / 2][kPanelWidth][2].
void pack_halves(const std::vector<float>& b, int depth, int columns, Bf16* out) {
  for (int panel = 0; panel * kPanelWidth < columns; ++panel) {
    for (int k = 0; k < depth; ++k) {
      for (int n = 0; n < kPanelWidth; ++n) {
        const int column = panel * kPanelWidth + n;
        const float value = column < columns ? b[static_cast<std::size_t>(k * columns + column)] : 0.0f;
        narrow_to_bf16(&value, out + ((panel * depth + k) / 2 * kPanelWidth + n) * 2 + k % 2, 1);
      }
    }
  }
}

struct HalfCase {
  int rows, columns, depth, parts;
  bool offsets, accumulate, bias, residual, relu, gate;
};

void compare_halves(const HalfCase& c) {
  const int pixels = c.rows + c.parts, whole_depth = c.depth * c.parts;
  const std::vector<float> a = bf16_numbers(static_cast<std::size_t>(pixels * c.depth), 1);
  const std::vector<float> b = bf16_numbers(static_cast<std::size_t>(whole_depth * c.columns), 2);
  const std::vector<float> bias = bf16_numbers(2 * kPanelWidth, 3);
  const std::vector<float> residual = bf16_numbers(static_cast<std::size_t>(c.rows * c.columns), 4);
  AlignedFloats a_memory(a.size() / 2), b_memory(static_cast<std::size_t>(whole_depth * kPanelWidth));
  auto* const halves = reinterpret_cast<Bf16*>(a_memory.data());
  narrow_to_bf16(a.data(), halves, static_cast<std::int64_t>(a.size()));
  pack_halves(b, whole_depth, c.columns, reinterpret_cast<Bf16*>(b_memory.data()));
  const int c_stride = c.columns + 3;
  std::vector<float> out(static_cast<std::size_t>(c.rows * c_stride), 7.0f);
  // With offsets the parts are taken backwards.
  std::vector<std::ptrdiff_t> offsets;
  for (int p = 0; p < c.parts; ++p) offsets.push_back((c.parts - 1 - p) * c.depth);
  HalfProduct product;
  product.a = halves;
  product.a_stride = c.depth;
  product.panel = reinterpret_cast<const Bf16*>(b_memory.data());
  product.panel_stride = static_cast<std::ptrdiff_t>(whole_depth) * kPanelWidth;
  product.c = out.data();
  product.c_stride = c_stride;
  product.rows = c.rows;
  product.depth = c.depth;
  product.parts = c.parts;
  product.part_stride = c.depth;
  if (c.offsets) product.part_offsets = offsets.data();
  product.columns = c.columns;
  if (c.bias) product.bias = bias.data();
  product.accumulate = c.accumulate;
  if (c.residual) {
    product.residual = residual.data();
    product.residual_stride = c.columns;
    product.residual_shift = 1;
    product.residual_phase = 1;
  }
  product.relu = c.relu;
  const std::vector<float> gate = bf16_numbers(out.size(), 5);
  if (c.gate) product.gate = gate.data();
  Emulated::multiply(product);
  for (int r = 0; r < c.rows; ++r) {
    for (int n = 0; n < c_stride; ++n) {
      float expected = 7.0f;  // beyond the columns nothing is touched
      if (n < c.columns) {
        expected = c.accumulate ? 7.0f : c.bias ? bias[static_cast<std::size_t>(n)] : 0.0f;
        for (int p = 0; p < c.parts; ++p) {
          const int pixel = r + (c.offsets ? c.parts - 1 - p : p);
          for (int k = 0; k < c.depth; ++k) {
            expected += a[static_cast<std::size_t>(pixel * c.depth + k)] *
                        b[static_cast<std::size_t>((p * c.depth + k) * c.columns + n)];
          }
        }
        if (c.residual) expected += residual[static_cast<std::size_t>((r + 1) / 2 * c.columns + n)];
        if (c.relu && expected < 0) expected = 0;
        if (c.gate && gate[static_cast<std::size_t>(r * c_stride + n)] <= 0) expected = 0;
      }
      ASSERT_NEAR(out[static_cast<std::size_t>(r * c_stride + n)], expected, 1e-3) << "row " << r << ", column " << n;
    }
  }
}

TEST(TileProduct, HalvesEqualThePlainLoops) {
  for (const int rows : {1, 15, 16, 17, 31, 32, 33, 64, 75}) {
    for (const int columns : {1, 16, 20, 32}) {
      compare_halves({rows, columns, 64, 1, false, false, true, false, false, columns > 16});
      compare_halves({rows, columns, 32, 3, rows % 2 == 0, rows % 3 == 0, true, rows % 4 == 1, columns > 16,
                      rows % 2 == 1});
    }
  }
}

struct IntegerCase {
  int rows, columns, depth, parts;
};

// `continued`: sums start where others ended.
void compare_integers(const IntegerCase& c, bool continued) {
  Random random(static_cast<std::uint64_t>(c.rows * 100 + c.columns), RandomPurpose::test);
  std::vector<std::uint8_t> a(static_cast<std::size_t>((c.rows + c.parts) * c.depth));
  for (std::uint8_t& value : a) value = static_cast<std::uint8_t>(random.uniform_int(kIntegerActivationMax + 1));
  const int panels = (c.columns + kIntegerPanelWidth - 1) / kIntegerPanelWidth;
  const std::size_t part_bytes = integer_panel_bytes(c.depth),
                    panel_bytes = part_bytes * static_cast<std::size_t>(c.parts);
  AlignedFloats memory(panel_bytes * static_cast<std::size_t>(panels) / sizeof(float));
  auto* const panel = reinterpret_cast<std::int8_t*>(memory.data());
  for (int p = 0; p < panels; ++p) {
    const int count = std::min(kIntegerPanelWidth, c.columns - p * kIntegerPanelWidth);
    for (int part = 0; part < c.parts; ++part) {
      std::vector<std::int8_t> weight(static_cast<std::size_t>(count * c.depth));
      for (std::int8_t& value : weight)
        value = static_cast<std::int8_t>(random.uniform_int(2 * kIntegerWeightMax + 1) - kIntegerWeightMax);
      pack_integer_panel(
          weight.data(), count, c.depth,
          panel + static_cast<std::size_t>(p) * panel_bytes + static_cast<std::size_t>(part) * part_bytes);
    }
  }
  const int width = panels * kIntegerPanelWidth;
  std::vector<std::int32_t> before(static_cast<std::size_t>(c.rows * width));
  for (std::int32_t& value : before) value = random.uniform_int(2000) - 1000;
  const auto sums_of = [&](void (*multiply)(const IntegerProduct&), int panels_at_once) {
    std::vector<std::int32_t> sums(before.size(), -1);
    for (int p = 0; p < panels; p += panels_at_once) {
      const int first = p * kIntegerPanelWidth, own = std::min(panels_at_once, panels - p) * kIntegerPanelWidth;
      // Sums lie by the panels that are computed together.
      std::vector<std::int32_t> own_before(static_cast<std::size_t>(c.rows * own)), own_sums(own_before.size());
      for (int r = 0; r < c.rows; ++r) {
        for (int n = 0; n < own; ++n)
          own_before[static_cast<std::size_t>(r * own + n)] = before[static_cast<std::size_t>(r * width + first + n)];
      }
      IntegerProduct product;
      product.a = a.data();
      product.a_stride = c.depth;
      product.panel = panel + static_cast<std::size_t>(p) * panel_bytes;
      product.panel_stride = static_cast<std::ptrdiff_t>(panel_bytes);
      product.rows = c.rows;
      product.depth = c.depth;
      product.parts = c.parts;
      product.part_stride = c.depth;
      product.columns = std::min(own, c.columns - first);
      if (continued) product.sums_before = own_before.data();
      product.sums = own_sums.data();
      multiply(product);
      for (int r = 0; r < c.rows; ++r) {
        for (int n = 0; n < own; ++n)
          sums[static_cast<std::size_t>(r * width + first + n)] = own_sums[static_cast<std::size_t>(r * own + n)];
      }
    }
    return sums;
  };
  EXPECT_EQ(sums_of([](const IntegerProduct& product) { Emulated::multiply(product); }, 2),
            sums_of(generic::multiply_integer_panel, 1));
}

TEST(TileProduct, BytesEqualTheOtherProducts) {
  for (const int rows : {1, 16, 31, 32, 50, 64}) {
    for (const int columns : {16, 20, 32}) {
      for (const bool continued : {false, true}) {
        compare_integers({rows, columns, 64, 1}, continued);
        compare_integers({rows, columns, 192, 3}, continued);
      }
    }
  }
}

TEST(TileProduct, UnitsThatComputeWrongProductsAreFound) {
  EXPECT_TRUE(half_tiles_are_right([](const HalfProduct& product) { Emulated::multiply(product); }));
  EXPECT_TRUE(byte_tiles_are_right([](const IntegerProduct& product) { Emulated::multiply(product); }));
  EXPECT_FALSE(half_tiles_are_right([](const HalfProduct& product) {
    HalfProduct shorter = product;
    shorter.depth -= kTileHalves;
    Emulated::multiply(shorter);
  }));
  EXPECT_FALSE(byte_tiles_are_right([](const IntegerProduct& product) {
    IntegerProduct other = product;
    other.panel_stride = 0;
    Emulated::multiply(other);
  }));
}

}  // namespace
}  // namespace fastermask
