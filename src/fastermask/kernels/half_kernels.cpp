#include "fastermask/kernels/half_kernels.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/cached_product.h"
#include "fastermask/kernels/tile_units.h"

namespace fastermask {
namespace {

// Shortens `least` to the seconds that a few products take.
template <class Product>
void take_turn(const Product& product, double& least) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) product();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  least = std::min(least, seconds.count());
}

bool find_out() {
  const HalfOps halves = half_ops();
  if (halves.multiply_panel == nullptr) return false;
  if (const char* chosen = std::getenv("FASTERMASK_BF16_UNITS")) return std::string_view(chosen) != "0";
  if (tiles_work()) return true;
  const PanelOps floats = panel_ops(best_isa());
  const CachedProduct<Bf16> with_halves(halves.multiply_panel, floats.panels_at_once);
  const CachedProduct<float> with_floats(floats.multiply_panel, floats.panels_at_once);
  double halves_seconds = 1e9, floats_seconds = 1e9;
  for (int turn = 0; turn < 30; ++turn) {
    take_turn(with_halves, halves_seconds);
    take_turn(with_floats, floats_seconds);
  }
  return halves_seconds < 0.9 * floats_seconds;
}

}  // namespace

#if defined(__x86_64__)
namespace avx512 {
HalfOps bf16_unit_ops();  // half_kernels_avx512bf16.cpp
Fp16Ops fp16_unit_ops();  // half_kernels_avx512fp16.cpp
HalfOps amx_ops();        // tile_product_amx.cpp
}  // namespace avx512

HalfOps half_ops() {
  if (tiles_work()) return avx512::amx_ops();
  return has_bf16_units() ? avx512::bf16_unit_ops() : HalfOps{};
}
Fp16Ops fp16_ops() { return has_fp16_units() ? avx512::fp16_unit_ops() : Fp16Ops{}; }
#else
HalfOps half_ops() { return {}; }
Fp16Ops fp16_ops() { return {}; }
#endif

bool bf16_units_pay() {
  static const bool pay = find_out();
  return pay;
}

HalfArithmetic half_arithmetic() {
  if (bf16_units_pay()) return HalfArithmetic::bfloat16;
  return has_fp16_units() ? HalfArithmetic::float16 : HalfArithmetic::float32;
}

}  // namespace fastermask
