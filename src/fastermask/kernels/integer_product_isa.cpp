// See integer_product.h. AVX-512 runs the code of AVX2.
#include "fastermask/kernels/integer_product.h"

#include <cstring>

#if defined(FASTERMASK_ISA_avx2) || defined(FASTERMASK_ISA_avx512)
#include <immintrin.h>
#define FASTERMASK_INTEGER_AVX2 1
#endif

namespace fastermask::FASTERMASK_ISA {
namespace {

#if defined(FASTERMASK_INTEGER_AVX2)

constexpr int kRows = 6;

// Four activations in every lane.
inline __m256i broadcast(const std::uint8_t* address) {
  return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(address)));
}

template <int kR>
void multiply_rows(const IntegerProduct& product, int first_row) {
  const std::uint8_t* first = product.a + first_row * product.a_stride;
  const auto* b = reinterpret_cast<const __m256i*>(product.panel);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kR][2];
#pragma GCC unroll 6
  for (int r = 0; r < kR; ++r) {
    sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    if (product.sums_before == nullptr) continue;
    const auto* before = reinterpret_cast<const __m256i*>(product.sums_before + (first_row + r) * kIntegerPanelWidth);
    sums[r][0] = _mm256_loadu_si256(before);
    sums[r][1] = _mm256_loadu_si256(before + 1);
  }
  for (int part = 0; part < product.parts; ++part, first += product.part_stride) {
    const std::uint8_t* a = first;
    for (int k = 0; k < product.depth; k += kIntegerDepthStep, a += kIntegerDepthStep, b += 4) {
#pragma GCC unroll 6
      for (int r = 0; r < kR; ++r) {
        __m256i low = broadcast(a + r * product.a_stride);
        __m256i high = broadcast(a + r * product.a_stride + 4);
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
          const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, b[v]), _mm256_maddubs_epi16(high, b[2 + v]));
          sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(pairs, ones));
        }
        // Row after row: GCC otherwise begins all rows at once, and lays their sums down in memory.
        asm volatile("" : "+x"(sums[r][0]), "+x"(sums[r][1]));
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kR; ++r) {
    auto* out = reinterpret_cast<__m256i*>(product.sums + (first_row + r) * kIntegerPanelWidth);
    _mm256_storeu_si256(out, sums[r][0]);
    _mm256_storeu_si256(out + 1, sums[r][1]);
  }
}

#else

constexpr int kRows = 1;

template <int kR>
void multiply_rows(const IntegerProduct& product, int first_row) {
  static_assert(kR == 1);
  const std::uint8_t* first = product.a + first_row * product.a_stride;
  const std::int8_t* b = product.panel;
  std::int32_t sums[kIntegerPanelWidth] = {};
  if (product.sums_before != nullptr)
    std::memcpy(sums, product.sums_before + first_row * kIntegerPanelWidth, sizeof sums);
  for (int part = 0; part < product.parts; ++part, first += product.part_stride) {
    for (int k = 0; k < product.depth; k += 4, b += 4 * kIntegerPanelWidth) {
      for (int n = 0; n < kIntegerPanelWidth; ++n) {
        for (int i = 0; i < 4; ++i) sums[n] += first[k + i] * b[n * 4 + i];
      }
    }
  }
  std::memcpy(product.sums + first_row * kIntegerPanelWidth, sums, sizeof sums);
}

#endif

// The last rows, fewer than kRows.
template <int kR>
void multiply_tail(const IntegerProduct& product, int first_row) {
  if constexpr (kR > 0) {
    if (product.rows - first_row == kR) return multiply_rows<kR>(product, first_row);
    multiply_tail<kR - 1>(product, first_row);
  }
}

}  // namespace

void multiply_integer_panel(const IntegerProduct& product) {
  int row = 0;
  for (; row + kRows <= product.rows; row += kRows) multiply_rows<kRows>(product, row);
  multiply_tail<kRows - 1>(product, row);
}

}  // namespace fastermask::FASTERMASK_ISA
