// Matrix products whose operands stay in a first-level cache, to time them: what a core gives at most. Inner header.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/integer_product.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

constexpr int kCachedRows = 48;
constexpr int kCachedDepth = 128;

// Floats, bfloat16 or float16 numbers.
template <class Element>
class CachedProduct {
 public:
  CachedProduct(void (*multiply)(const PanelProductOf<Element>&), int panels)
      : multiply_(multiply), columns_(panels * kPanelWidth) {
    std::fill_n(memory_.data(), memory_.size(), 0.0f);
    product_.panel = reinterpret_cast<const Element*>(memory_.data());
    product_.panel_stride = static_cast<std::ptrdiff_t>(kCachedDepth) * kPanelWidth;
    product_.a = product_.panel + panels * product_.panel_stride;
    product_.a_stride = kCachedDepth;
    product_.c = c_.data();
    product_.c_stride = columns_;
    product_.rows = kCachedRows;
    product_.depth = kCachedDepth;
    product_.columns = columns_;
    std::fill_n(scale_.data(), scale_.size(), 1.0f);
    product_.scale = product_.row_scale = scale_.data();
  }

  void operator()() const { multiply_(product_); }
  double operations() const { return 2.0 * kCachedRows * kCachedDepth * columns_; }

 private:
  void (*multiply_)(const PanelProductOf<Element>&);
  int columns_;
  AlignedFloats memory_{static_cast<std::size_t>(kCachedDepth * (kCachedRows + columns_))};
  AlignedFloats c_{static_cast<std::size_t>(kCachedRows * columns_)};
  AlignedFloats scale_{static_cast<std::size_t>(std::max(kCachedRows, columns_))};
  PanelProductOf<Element> product_;
};

// 7-bit integers.
class CachedIntegerProduct {
 public:
  explicit CachedIntegerProduct(const IntegerOps& ops)
      : multiply_(ops.multiply_panel), columns_(ops.panels_at_once * kIntegerPanelWidth) {
    std::fill_n(memory_.data(), memory_.size(), 0.0f);
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(memory_.data());
    product_.panel = reinterpret_cast<const std::int8_t*>(bytes);
    product_.panel_stride = static_cast<std::ptrdiff_t>(kCachedDepth) * kIntegerPanelWidth;
    product_.a = bytes + kCachedDepth * columns_;
    product_.a_stride = kCachedDepth;
    product_.sums = reinterpret_cast<std::int32_t*>(c_.data());
    product_.rows = kCachedRows;
    product_.depth = kCachedDepth;
    product_.columns = columns_;
  }

  void operator()() const { multiply_(product_); }
  double operations() const { return 2.0 * kCachedRows * kCachedDepth * columns_; }

 private:
  decltype(IntegerOps::multiply_panel) multiply_;
  int columns_;
  AlignedFloats memory_{static_cast<std::size_t>(kCachedDepth * (kCachedRows + columns_)) / sizeof(float)};
  AlignedFloats c_{static_cast<std::size_t>(kCachedRows * columns_)};
  IntegerProduct product_;
};

}  // namespace fastermask
