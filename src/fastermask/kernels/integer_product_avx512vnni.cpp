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
                       : _mm512_loadu_si512(product.sums_before + ((first_row + r) * kP + v) * kIntegerPanelWidth);
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
    for (int v = 0; v < kP; ++v)
      _mm512_storeu_si512(product.sums + ((first_row + r) * kP + v) * kIntegerPanelWidth, sums[r][v]);
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
