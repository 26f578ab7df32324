// The matrix product's loops (panel_product.h), for the file that defines FASTERMASK_ISA. Each row's sums stay in
// registers over the whole depth; a row's result does not depend on its neighbours, so blocking and threads never change
// a bit.
#pragma once

#include <cstring>

#include "fastermask/kernels/lanes.h"
#include "fastermask/kernels/panel_product.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace fastermask::FASTERMASK_ISA {
namespace {

// Registers: kRows * kVectors sums, kVectors of the panel and a broadcast must fit (16, with AVX-512 32). By depth,
// rows come by the 16 of a panel.
#if defined(FASTERMASK_ISA_avx512)
constexpr int kRows = 12;
constexpr int kPanels = 2;
constexpr int kRowsByDepth = 8;
#elif defined(FASTERMASK_ISA_avx2)
constexpr int kRows = 6;
constexpr int kPanels = 1;
constexpr int kRowsByDepth = kRows;
#else
constexpr int kRows = 3;
constexpr int kPanels = 1;
constexpr int kRowsByDepth = kRows;
#endif
constexpr int kVectorsPerPanel = kPanelWidth / kLanes;

// What one step of depth reads of a panel, and of a row for all lanes.
template <class Element>
struct Depth {
  static constexpr int kStep = 1;
  using Weights = Floats;
  static Floats weights(const float* address) { return *reinterpret_cast<const Floats*>(address); }
  static float value(const float* address) { return *address; }
  static void add_product(Floats& sum, float value, const Floats& weights) { sum += value * weights; }
};

#if defined(__AVX512BF16__)
template <>
struct Depth<Bf16> {
  static constexpr int kStep = 2;
  using Weights = __m512i;
  static __m512i weights(const Bf16* address) { return *reinterpret_cast<const __m512i*>(address); }
  static __m512i value(const Bf16* address) {
    int pair;
    std::memcpy(&pair, address, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static void add_product(Floats& sum, const __m512i& value, const __m512i& weights) {
    sum = reinterpret_cast<Floats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(value),
                                                    reinterpret_cast<__m512bh>(weights)));
  }
};
#endif

// kR rows, kP whole panels.
template <int kR, int kP, bool kByDepth, class Element>
void multiply_rows(const PanelProductOf<Element>& product, int first_row) {
  constexpr int kStep = Depth<Element>::kStep;
  constexpr int kV = kP * kVectorsPerPanel;
  const std::ptrdiff_t a_stride = product.a_stride;
  const Element* a = product.a + first_row * (kByDepth ? kStep : a_stride);
  float* c = product.c + first_row * product.c_stride;
  const float* const gate = product.gate == nullptr ? nullptr : product.gate + first_row * product.c_stride;
  const bool whole = product.columns == kP * kPanelWidth;
  float edge[kR][kP * kPanelWidth];  // where columns are missing: what stands for c
  Floats sums[kR][kV];
  if (product.accumulate) {
#pragma GCC unroll 12
    for (int r = 0; r < kR; ++r) {
      const float* row = c + r * product.c_stride;
      if (!whole) {
        for (int n = 0; n < kP * kPanelWidth; ++n) edge[r][n] = n < product.columns ? row[n] : 0.0f;
        row = edge[r];
      }
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) sums[r][v] = load(row + v * kLanes);
    }
  } else if (product.bias != nullptr) {
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) {
      const Floats bias = load(product.bias + v * kLanes);
#pragma GCC unroll 12
      for (int r = 0; r < kR; ++r) sums[r][v] = bias;
    }
  } else {
#pragma GCC unroll 12
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) sums[r][v] = Floats{};
    }
  }
  // What is written and added at the end: on its way while the sums are made.
#pragma GCC unroll 12
  for (int r = 0; r < kR; ++r) {
    for (int n = 0; n < kP; ++n) __builtin_prefetch(c + r * product.c_stride + n * kPanelWidth, 1);
    if (gate != nullptr) {
      for (int n = 0; n < kP; ++n) __builtin_prefetch(gate + r * product.c_stride + n * kPanelWidth);
    }
    if (product.residual == nullptr) continue;
    const int row = (first_row + r + product.residual_phase) >> product.residual_shift;
    __builtin_prefetch(product.residual + row * product.residual_stride);
  }
  const Element* panel = product.panel;
  const std::ptrdiff_t panel_stride = product.panel_stride;
  const int depth = product.depth;
  const Element* const first_part = a;
  for (int part = 0; part < product.parts; ++part) {
    a = first_part + (product.part_offsets != nullptr ? product.part_offsets[part] : part * product.part_stride);
    for (int k = 0; k < depth; k += kStep) {
      typename Depth<Element>::Weights b[kV];
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) {
        b[v] = Depth<Element>::weights(panel + (v / kVectorsPerPanel) * panel_stride +
                                       (v % kVectorsPerPanel) * kLanes * kStep);
      }
      panel += kPanelWidth * kStep;
#pragma GCC unroll 12
      for (int r = 0; r < kR; ++r) {
        const auto value =
            Depth<Element>::value(kByDepth ? a + k / kStep * a_stride + r * kStep : a + r * a_stride + k);
#pragma GCC unroll 4
        for (int v = 0; v < kV; ++v) Depth<Element>::add_product(sums[r][v], value, b[v]);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kR; ++r) {
    if (product.residual != nullptr) {
      const int row = (first_row + r + product.residual_phase) >> product.residual_shift;
      const float* residual = product.residual + row * product.residual_stride;
      if (!whole) {
        for (int n = 0; n < kP * kPanelWidth; ++n) edge[r][n] = n < product.columns ? residual[n] : 0.0f;
        residual = edge[r];
      }
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) sums[r][v] += load(residual + v * kLanes);
    }
    if (product.relu) {
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) sums[r][v] = sums[r][v] < Floats{} ? Floats{} : sums[r][v];
    }
    if (gate != nullptr) {
      const float* row = gate + r * product.c_stride;
      if (!whole) {
        for (int n = 0; n < kP * kPanelWidth; ++n) edge[r][n] = n < product.columns ? row[n] : 0.0f;
        row = edge[r];
      }
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) sums[r][v] = load(row + v * kLanes) <= Floats{} ? Floats{} : sums[r][v];
    }
    float* row = c + r * product.c_stride;
    if (whole) {
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) store(row + v * kLanes, sums[r][v]);
    } else {
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) store(edge[r] + v * kLanes, sums[r][v]);
      for (int n = 0; n < product.columns; ++n) row[n] = edge[r][n];
    }
  }
}

// The last rows, fewer than kRows.
template <int kR, int kP, bool kByDepth, class Element>
void multiply_tail(const PanelProductOf<Element>& product, int first_row) {
  if constexpr (kR > 0) {
    if (product.rows - first_row == kR) return multiply_rows<kR, kP, kByDepth>(product, first_row);
    multiply_tail<kR - 1, kP, kByDepth>(product, first_row);
  }
}

template <int kP, bool kByDepth, class Element>
void multiply_panels(const PanelProductOf<Element>& product) {
  constexpr int kTogether = kByDepth ? kRowsByDepth : kRows;
  int row = 0;
  for (; row + kTogether <= product.rows; row += kTogether) multiply_rows<kTogether, kP, kByDepth>(product, row);
  multiply_tail<kTogether - 1, kP, kByDepth>(product, row);
}

template <class Element>
void multiply_any(const PanelProductOf<Element>& product) {
#if defined(FASTERMASK_ISA_avx512)
  if (product.columns > kPanelWidth)
    return product.a_by_depth ? multiply_panels<kPanels, true>(product) : multiply_panels<kPanels, false>(product);
#endif
  product.a_by_depth ? multiply_panels<1, true>(product) : multiply_panels<1, false>(product);
}

}  // namespace
}  // namespace fastermask::FASTERMASK_ISA
