#include "fastermask/kernels/half_kernels.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/aligned_floats.h"

namespace fastermask {
namespace {

constexpr int kTimedRows = 48, kTimedDepth = 128, kTimedPanels = 2;

// The least time, in seconds, that a few products took which lie in the first-level cache.
template <class Element, class Multiply>
class ProductTimer {
 public:
  explicit ProductTimer(Multiply* multiply)
      : multiply_(multiply), memory_(kTimedDepth * (kTimedRows + kTimedPanels * kPanelWidth)), c_(kColumns * kTimedRows) {
    std::fill_n(memory_.data(), memory_.size(), 0.0f);
    product_.panel = reinterpret_cast<const Element*>(memory_.data());
    product_.panel_stride = static_cast<std::ptrdiff_t>(kTimedDepth) * kPanelWidth;
    product_.a = product_.panel + kTimedPanels * product_.panel_stride;
    product_.a_stride = kTimedDepth;
    product_.c = c_.data();
    product_.c_stride = kColumns;
    product_.rows = kTimedRows;
    product_.depth = kTimedDepth;
    product_.columns = kColumns;
  }

  void take_turn() {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 4; ++i) multiply_(product_);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    least_ = std::min(least_, seconds.count());
  }
  double least() const { return least_; }

 private:
  static constexpr int kColumns = kTimedPanels * kPanelWidth;
  Multiply* multiply_;
  AlignedFloats memory_, c_;
  PanelProductOf<Element> product_;
  double least_ = 1e9;
};

bool find_out() {
  const HalfOps halves = half_ops();
  if (halves.multiply_panel == nullptr) return false;
  if (const char* chosen = std::getenv("FASTERMASK_BF16_UNITS")) return std::string_view(chosen) != "0";
  const PanelOps floats = panel_ops(best_isa());
  ProductTimer<Bf16, void(const HalfProduct&)> with_halves(halves.multiply_panel);
  ProductTimer<float, void(const PanelProduct&)> with_floats(floats.multiply_panel);
  for (int turn = 0; turn < 30; ++turn) {
    with_halves.take_turn();
    with_floats.take_turn();
  }
  return with_halves.least() < 0.9 * with_floats.least();
}

}  // namespace

#if defined(__x86_64__)
namespace avx512 {
HalfOps bf16_unit_ops();  // half_kernels_avx512bf16.cpp
}  // namespace avx512

HalfOps half_ops() { return has_bf16_units() ? avx512::bf16_unit_ops() : HalfOps{}; }
#else
HalfOps half_ops() { return {}; }
#endif

bool bf16_units_pay() {
  static const bool pay = find_out();
  return pay;
}

}  // namespace fastermask
