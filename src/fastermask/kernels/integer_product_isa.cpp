// See integer_product.h. AVX-512 runs the code of AVX2.
#include "fastermask/kernels/integer_product.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(FASTERMASK_ISA_avx2) || defined(FASTERMASK_ISA_avx512)
#include <immintrin.h>
#define FASTERMASK_INTEGER_AVX2 1
#endif

namespace fastermask::FASTERMASK_ISA {
namespace {

std::uint8_t quantised(float value, float inverse, const ActivationRange& range) {
  const float q = std::nearbyint(value * inverse + static_cast<float>(range.zero));
  if (!(q > 0)) return 0;
  return static_cast<std::uint8_t>(std::min(q, static_cast<float>(kIntegerActivationMax)));
}

const float* residual_row(const IntegerProduct& product, int row) {
  return product.residual + ((row + product.residual_phase) >> product.residual_shift) * product.residual_stride;
}

#if defined(FASTERMASK_INTEGER_AVX2)

constexpr int kRows = 6;

// Four activations in every lane.
inline __m256i broadcast(const std::uint8_t* address) {
  return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(address)));
}

// 16 values in 7 bits.
inline __m128i quantised(__m256 low, __m256 high, __m256 inverse, __m256 zero) {
  const auto words_of = [&](__m256 values) {
    const __m256 q = _mm256_max_ps(_mm256_fmadd_ps(values, inverse, zero), _mm256_setzero_ps());  // NaN: 0
    return _mm256_cvtps_epi32(_mm256_min_ps(q, _mm256_set1_ps(static_cast<float>(kIntegerActivationMax))));
  };
  const __m256i a = words_of(low);
  const __m256i b = words_of(high);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// What follows the sums of one row.
inline void finish_row(const IntegerProduct& product, int row, __m256i low_sums, __m256i high_sums) {
  const bool whole = product.columns == kIntegerPanelWidth;
  __m256 low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(low_sums), _mm256_loadu_ps(product.scale),
                               _mm256_loadu_ps(product.bias));
  __m256 high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(high_sums), _mm256_loadu_ps(product.scale + 8),
                                _mm256_loadu_ps(product.bias + 8));
  if (product.residual != nullptr) {
    const float* residual = residual_row(product, row);
    float edge[kIntegerPanelWidth] = {};
    if (!whole) {
      std::copy(residual, residual + product.columns, edge);
      residual = edge;
    }
    low = _mm256_add_ps(low, _mm256_loadu_ps(residual));
    high = _mm256_add_ps(high, _mm256_loadu_ps(residual + 8));
  }
  if (product.relu) {
    low = _mm256_max_ps(low, _mm256_setzero_ps());
    high = _mm256_max_ps(high, _mm256_setzero_ps());
  }
  if (product.c != nullptr) {
    float* const c = product.c + row * product.c_stride;
    if (whole) {
      _mm256_storeu_ps(c, low);
      _mm256_storeu_ps(c + 8, high);
    } else {
      float edge[kIntegerPanelWidth];
      _mm256_storeu_ps(edge, low);
      _mm256_storeu_ps(edge + 8, high);
      std::copy(edge, edge + product.columns, c);
    }
  }
  if (product.q != nullptr) {
    std::uint8_t* const q = product.q + row * product.q_stride;
    const __m128i bytes = quantised(low, high, _mm256_set1_ps(1 / product.range.scale),
                                    _mm256_set1_ps(static_cast<float>(product.range.zero)));
    if (whole) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q), bytes);
    } else {
      std::uint8_t edge[kIntegerPanelWidth];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(edge), bytes);
      std::copy(edge, edge + product.columns, q);
    }
  }
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
    const auto* before =
        reinterpret_cast<const __m256i*>(product.sums_before + (first_row + r) * kIntegerPanelWidth);
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
    if (product.sums == nullptr) {
      finish_row(product, first_row + r, sums[r][0], sums[r][1]);
      continue;
    }
    auto* out = reinterpret_cast<__m256i*>(product.sums + (first_row + r) * kIntegerPanelWidth);
    _mm256_storeu_si256(out, sums[r][0]);
    _mm256_storeu_si256(out + 1, sums[r][1]);
  }
}

#else

constexpr int kRows = 1;

void finish_row(const IntegerProduct& product, int row, const std::int32_t* sums) {
  const float inverse = 1 / product.range.scale;
  for (int n = 0; n < product.columns; ++n) {
    float value = static_cast<float>(sums[n]) * product.scale[n] + product.bias[n];
    if (product.residual != nullptr) value += residual_row(product, row)[n];
    if (product.relu) value = std::max(value, 0.0f);
    if (product.c != nullptr) product.c[row * product.c_stride + n] = value;
    if (product.q != nullptr) product.q[row * product.q_stride + n] = quantised(value, inverse, product.range);
  }
}

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
  if (product.sums == nullptr) return finish_row(product, first_row, sums);
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

void quantise(const float* values, std::ptrdiff_t count, const ActivationRange& range, std::uint8_t* out) {
  const float inverse = 1 / range.scale;
  std::ptrdiff_t i = 0;
#if defined(FASTERMASK_INTEGER_AVX2)
  const __m256 inverses = _mm256_set1_ps(inverse), zeros = _mm256_set1_ps(static_cast<float>(range.zero));
  for (; i + 16 <= count; i += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     quantised(_mm256_loadu_ps(values + i), _mm256_loadu_ps(values + i + 8), inverses, zeros));
  }
#endif
  for (; i < count; ++i) out[i] = quantised(values[i], inverse, range);
}

}  // namespace fastermask::FASTERMASK_ISA
