// Matrix products whose operands stay in a first-level cache, to time them: what a core gives at most. Inner header.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/integer_product.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

struct CachedSize {
  int rows = 48;
  int depth = 128;
};
// For AMX: whole pairs of tiles, and sums long enough that laying them down does not count.
constexpr CachedSize kCachedTiles{64, 192};
constexpr CachedSize kCachedByteTiles{64, 384};

// Floats, bfloat16 or float16 numbers.
template <class Element>
class CachedProduct {
 public:
  CachedProduct(void (*multiply)(const PanelProductOf<Element>&), int panels, CachedSize size = {})
      : multiply_(multiply), columns_(panels * kPanelWidth), size_(size) {
    std::fill_n(memory_.data(), memory_.size(), 0.0f);
    product_.panel = reinterpret_cast<const Element*>(memory_.data());
    product_.panel_stride = static_cast<std::ptrdiff_t>(size_.depth) * kPanelWidth;
    product_.a = product_.panel + panels * product_.panel_stride;
    product_.a_stride = size_.depth;
    product_.c = c_.data();
    product_.c_stride = columns_;
    product_.rows = size_.rows;
    product_.depth = size_.depth;
    product_.columns = columns_;
    std::fill_n(scale_.data(), scale_.size(), 1.0f);
    product_.scale = product_.row_scale = scale_.data();
  }

  void operator()() const { multiply_(product_); }
  double operations() const { return 2.0 * size_.rows * size_.depth * columns_; }

 private:
  void (*multiply_)(const PanelProductOf<Element>&);
  int columns_;
  CachedSize size_;
  AlignedFloats memory_{static_cast<std::size_t>(size_.depth * (size_.rows + columns_))};
  AlignedFloats c_{static_cast<std::size_t>(size_.rows * columns_)};
  AlignedFloats scale_{static_cast<std::size_t>(std::max(size_.rows, columns_))};
  PanelProductOf<Element> product_;
};

// 7-bit integers.
class CachedIntegerProduct {
 public:
  explicit CachedIntegerProduct(const IntegerOps& ops, CachedSize size = {})
      : multiply_(ops.multiply_panel), columns_(ops.panels_at_once * kIntegerPanelWidth), size_(size) {
    std::fill_n(memory_.data(), memory_.size(), 0.0f);
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(memory_.data());
    product_.panel = reinterpret_cast<const std::int8_t*>(bytes);
    product_.panel_stride = static_cast<std::ptrdiff_t>(size_.depth) * kIntegerPanelWidth;
    product_.a = bytes + size_.depth * columns_;
    product_.a_stride = size_.depth;
    product_.sums = reinterpret_cast<std::int32_t*>(c_.data());
    product_.rows = size_.rows;
    product_.depth = size_.depth;
    product_.columns = columns_;
  }

  void operator()() const { multiply_(product_); }
  double operations() const { return 2.0 * size_.rows * size_.depth * columns_; }

 private:
  decltype(IntegerOps::multiply_panel) multiply_;
  int columns_;
  CachedSize size_;
  AlignedFloats memory_{static_cast<std::size_t>(size_.depth * (size_.rows + columns_)) / sizeof(float)};
  AlignedFloats c_{static_cast<std::size_t>(size_.rows * columns_)};
  IntegerProduct product_;
};

}  // namespace fastermask
