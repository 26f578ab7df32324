#include "fastermask/kernels/tile_units.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "fastermask/base/cpu.h"
#include "fastermask/base/log.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/tile_product.h"

namespace fastermask {

namespace {

// Rows and columns that leave a rest, two steps of depth, two panels.
constexpr int kRows = 45, kColumns = 27, kPanels = 2;
constexpr int kHalfDepth = 2 * kTileHalves, kByteDepth = 2 * kTileBytes;

// Small whole numbers: exact in every format, and so are their sums.
int number(int i, int most) { return i * 7919 % (2 * most + 1) - most; }

Bf16 as_half(int value) {
  const auto real = static_cast<float>(value);
  Bf16 half;
  narrow_to_bf16(&real, &half, 1);
  return half;
}

}  // namespace

bool half_tiles_are_right(void (*multiply)(const HalfProduct& product)) {
  AlignedFloats a_memory(kRows * kHalfDepth / 2 + 1), panel_memory(kPanels * kPanelWidth * kHalfDepth / 2);
  auto* const a = reinterpret_cast<Bf16*>(a_memory.data());
  auto* const panel = reinterpret_cast<Bf16*>(panel_memory.data());
  for (int i = 0; i < kRows * kHalfDepth; ++i) a[i] = as_half(number(i, 9));
  for (int i = 0; i < kPanels * kPanelWidth * kHalfDepth; ++i) panel[i] = as_half(number(i, 11));
  std::vector<float> c(kRows * kColumns);
  HalfProduct product;
  product.a = a;
  product.a_stride = kHalfDepth;
  product.panel = panel;
  product.panel_stride = kPanelWidth * kHalfDepth;
  product.c = c.data();
  product.c_stride = product.columns = kColumns;
  product.rows = kRows;
  product.depth = kHalfDepth;
  multiply(product);
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kColumns; ++n) {
      int expected = 0;
      for (int k = 0; k < kHalfDepth; ++k) {
        const int at = (n / kPanelWidth * kHalfDepth + k / 2 * 2) * kPanelWidth + n % kPanelWidth * 2 + k % 2;
        expected += number(r * kHalfDepth + k, 9) * number(at, 11);
      }
      if (c[static_cast<std::size_t>(r * kColumns + n)] != static_cast<float>(expected)) return false;
    }
  }
  return true;
}

bool byte_tiles_are_right(void (*multiply)(const IntegerProduct& product)) {
  AlignedFloats panel_memory(kPanels * kIntegerPanelWidth * kByteDepth / sizeof(float));
  auto* const panel = reinterpret_cast<std::int8_t*>(panel_memory.data());
  std::vector<std::uint8_t> a(kRows * kByteDepth);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<std::uint8_t>(number(static_cast<int>(i), 63) + 64);
  for (int i = 0; i < kPanels * kIntegerPanelWidth * kByteDepth; ++i)
    panel[i] = static_cast<std::int8_t>(number(i, kIntegerWeightMax));
  std::vector<std::int32_t> sums(kRows * kPanels * kIntegerPanelWidth);
  IntegerProduct product;
  product.a = a.data();
  product.a_stride = kByteDepth;
  product.panel = panel;
  product.panel_stride = kIntegerPanelWidth * kByteDepth;
  product.rows = kRows;
  product.depth = kByteDepth;
  product.columns = kColumns;
  product.sums = sums.data();
  multiply(product);
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kColumns; ++n) {
      int expected = 0;
      for (int k = 0; k < kByteDepth; ++k) {
        const int at = (n / kIntegerPanelWidth * kByteDepth + k / 4 * 4) * kIntegerPanelWidth +
                       n % kIntegerPanelWidth * 4 + k % 4;
        expected += (number(r * kByteDepth + k, 63) + 64) * number(at, kIntegerWeightMax);
      }
      if (sums[static_cast<std::size_t>(r * kPanels * kIntegerPanelWidth + n)] != expected) return false;
    }
  }
  return true;
}

#if defined(__x86_64__)
namespace avx512 {
void multiply_half_panels_amx(const HalfProduct& product);  // tile_product_amx.cpp
}  // namespace avx512

bool tiles_work() {
  static const bool work = [] {
    if (!has_amx()) return false;
    if (half_tiles_are_right(avx512::multiply_half_panels_amx) &&
        byte_tiles_are_right(avx512::multiply_integer_panels_amx)) {
      return true;
    }
    log_warning("kernels", "AMX is there but computes wrong products: it is not used");
    return false;
  }();
  return work;
}
#else
bool tiles_work() { return false; }
#endif

}  // namespace fastermask
