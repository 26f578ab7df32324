// See integer_product.h: four products a lane and instruction, 64 columns of bytes at a time.
#include <immintrin.h>

#include <cstddef>
#include <cstring>
#include <utility>

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

// Asks for what finish() reads and writes, far enough ahead to be there by then: shallow layers wait for it otherwise.
template <int kR>
inline void prefetch_rows(const IntegerProduct& product, int first_row) {
  for (int r = first_row; r < first_row + kR; ++r) {
    if (product.residual != nullptr) {
      const float* const residual =
          product.residual + ((r + product.residual_phase) >> product.residual_shift) * product.residual_stride;
      __builtin_prefetch(residual);
      if (product.columns > kIntegerPanelWidth) __builtin_prefetch(residual + kIntegerPanelWidth);
    }
    if (product.c != nullptr) {
      __builtin_prefetch(product.c + r * product.c_stride, 1);
      if (product.columns > kIntegerPanelWidth) __builtin_prefetch(product.c + r * product.c_stride + kIntegerPanelWidth, 1);
    }
  }
}

template <int kR, int kP>
void multiply_rows(const IntegerProduct& product, int first_row) {
  const std::uint8_t* first = product.a + first_row * product.a_stride;
  const std::int8_t* panel = product.panel;
  if (product.sums == nullptr) prefetch_rows<kR>(product, first_row);
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

// Rows in blocks of nearly the same size: a few rows left over would have too few sums to keep the units busy.
template <int kP, std::size_t... kBlocks>
void multiply_panels(const IntegerProduct& product, std::index_sequence<kBlocks...>) {
  using Multiply = void (*)(const IntegerProduct&, int);
  static constexpr Multiply kOfRows[] = {multiply_rows<static_cast<int>(kBlocks) + 1, kP>...};
  const int blocks = (product.rows + kRows - 1) / kRows;
  for (int b = 0; b < blocks; ++b) {
    const int begin = product.rows * b / blocks, end = product.rows * (b + 1) / blocks;
    kOfRows[end - begin - 1](product, begin);
  }
}

}  // namespace

void multiply_integer_panels_vnni(const IntegerProduct& product) {
  constexpr std::make_index_sequence<kRows> kBlocks;
  product.columns > kIntegerPanelWidth ? multiply_panels<2>(product, kBlocks) : multiply_panels<1>(product, kBlocks);
}

}  // namespace fastermask::FASTERMASK_ISA
