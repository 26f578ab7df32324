// See integer_product.h: four products a lane and instruction, 64 columns of bytes at a time.
#include <immintrin.h>

#include <cstring>

#include "fastermask/kernels/integer_product.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

constexpr int kRows = 12;  // rows * panels sums, the panels' weights and a broadcast fill the 32 registers
static_assert(kVnniPanelsAtOnce == 2);

// What follows the sums of one row's panel `v`.
inline void finish(const IntegerProduct& product, int row, int v, __m512i sum) {
  const int first = v * kIntegerPanelWidth;
  const int columns = product.columns - first;
  const auto there = static_cast<__mmask16>(columns >= kIntegerPanelWidth ? 0xffffu : (1u << columns) - 1u);
  __m512 value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(product.scale + first),
                                 _mm512_loadu_ps(product.bias + first));
  if (product.residual != nullptr) {
    const float* residual =
        product.residual + ((row + product.residual_phase) >> product.residual_shift) * product.residual_stride;
    value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(there, residual + first));
  }
  if (product.relu) value = _mm512_max_ps(value, _mm512_setzero_ps());
  if (product.c != nullptr) _mm512_mask_storeu_ps(product.c + row * product.c_stride + first, there, value);
  if (product.q == nullptr) return;
  const __m512 q = _mm512_fmadd_ps(value, _mm512_set1_ps(1 / product.range.scale),
                                   _mm512_set1_ps(static_cast<float>(product.range.zero)));
  const __m512 kept = _mm512_min_ps(_mm512_max_ps(q, _mm512_setzero_ps()),  // NaN: 0
                                    _mm512_set1_ps(static_cast<float>(kIntegerActivationMax)));
  _mm512_mask_cvtepi32_storeu_epi8(product.q + row * product.q_stride + first, there, _mm512_cvtps_epi32(kept));
}

template <int kR, int kP>
void multiply_rows(const IntegerProduct& product, int first_row) {
  const std::uint8_t* first = product.a + first_row * product.a_stride;
  const std::int8_t* panel = product.panel;
  __m512i sums[kR][kP];
#pragma GCC unroll 12
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kP; ++v) {
      sums[r][v] = product.sums_before == nullptr
                       ? _mm512_setzero_si512()
                       : _mm512_loadu_si512(product.sums_before +
                                            ((first_row + r) * kP + v) * kIntegerPanelWidth);
    }
  }
  for (int part = 0; part < product.parts; ++part, first += product.part_stride) {
    for (int k = 0; k < product.depth; k += 4, panel += 4 * kIntegerPanelWidth) {
      __m512i weights[kP];
#pragma GCC unroll 2
      for (int v = 0; v < kP; ++v) weights[v] = _mm512_load_si512(panel + v * product.panel_stride);
#pragma GCC unroll 12
      for (int r = 0; r < kR; ++r) {
        int four;
        std::memcpy(&four, first + r * product.a_stride + k, sizeof four);
        const __m512i values = _mm512_set1_epi32(four);
#pragma GCC unroll 2
        for (int v = 0; v < kP; ++v) sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], values, weights[v]);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kP; ++v) {
      if (product.sums == nullptr) {
        finish(product, first_row + r, v, sums[r][v]);
      } else {
        _mm512_storeu_si512(product.sums + ((first_row + r) * kP + v) * kIntegerPanelWidth, sums[r][v]);
      }
    }
  }
}

// The last rows, fewer than kRows.
template <int kR, int kP>
void multiply_tail(const IntegerProduct& product, int first_row) {
  if constexpr (kR > 0) {
    if (product.rows - first_row == kR) return multiply_rows<kR, kP>(product, first_row);
    multiply_tail<kR - 1, kP>(product, first_row);
  }
}

template <int kP>
void multiply_panels(const IntegerProduct& product) {
  int row = 0;
  for (; row + kRows <= product.rows; row += kRows) multiply_rows<kRows, kP>(product, row);
  multiply_tail<kRows - 1, kP>(product, row);
}

}  // namespace

void multiply_integer_panels_vnni(const IntegerProduct& product) {
  product.columns > kIntegerPanelWidth ? multiply_panels<2>(product) : multiply_panels<1>(product);
}

}  // namespace fastermask::FASTERMASK_ISA
