// See integer_finish.h. Every copy with fused multiply-adds gives the same numbers.
#include "fastermask/kernels/integer_finish.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(FASTERMASK_ISA_avx2) || defined(FASTERMASK_ISA_avx512)
#include <immintrin.h>
#define FASTERMASK_FINISH_AVX2 1
#endif

namespace fastermask::FASTERMASK_ISA {
namespace {

std::uint8_t quantised(float value, float inverse, const ActivationRange& range) {
  const float q = std::nearbyint(value * inverse + static_cast<float>(range.zero));
  if (!(q > 0)) return 0;
  return static_cast<std::uint8_t>(std::min(q, static_cast<float>(kIntegerActivationMax)));
}

#if !defined(FASTERMASK_FINISH_AVX2)

float widened(Bf16 half) {
  const std::uint32_t bits = std::uint32_t{half.bits} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

Bf16 narrowed(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return {static_cast<std::uint16_t>((bits + 0x8000u) >> 16)};
}

#else

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

#endif

#if defined(FASTERMASK_ISA_avx512)

constexpr int kStep = kFinishedTogether * kIntegerPanelWidth;

// 16 values as whole numbers that saturate to 0..127 when they are narrowed: NaN and what is negative stay negative.
inline __m512i rounded(__m512 value, __m512 inverse, __m512 zero) {
  const __m512 most = _mm512_set1_ps(static_cast<float>(kIntegerActivationMax));
  return _mm512_cvtps_epi32(_mm512_min_ps(most, _mm512_fmadd_ps(value, inverse, zero)));
}

inline __m512 widened(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// What the upper halves round to the nearest.
inline __m512i in_upper_half(__m512 value) {
  return _mm512_add_epi32(_mm512_castps_si512(value), _mm512_set1_epi32(0x8000));
}

// Two panels' values as bfloat16 numbers.
inline void store_halves(Bf16* out, __m512 a, __m512 b) {
  alignas(64) static constexpr std::uint16_t kUpperHalves[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                                 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                                 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  _mm512_storeu_si512(out,
                      _mm512_permutex2var_epi16(in_upper_half(a), _mm512_load_si512(kUpperHalves), in_upper_half(b)));
}

void finish_row(const IntegerFinish& finish, int row, __m512 inverse, __m512 zero) {
  const float* const residual = finish.row_of(finish.residual, row);
  const Bf16* const half_residual = finish.row_of(finish.half_residual, row);
  Bf16* const half_c = finish.half_c == nullptr ? nullptr : finish.half_c + row * finish.c_stride;
  float* const c = finish.c == nullptr ? nullptr : finish.c + row * finish.c_stride;
  std::uint8_t* const q = finish.q == nullptr ? nullptr : finish.q + row * finish.q_stride;
  const float *const scale = finish.scale, *const bias = finish.bias;
  const int columns = finish.columns;
  const bool relu = finish.relu;
  const auto value_of = [&](const std::int32_t* sums, int first, __mmask16 there) {
    __m512 value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums)), _mm512_loadu_ps(scale + first),
                                   _mm512_loadu_ps(bias + first));
    if (residual != nullptr) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(there, residual + first));
    if (half_residual != nullptr)
      value = _mm512_add_ps(value, widened(_mm256_maskz_loadu_epi16(there, half_residual + first)));
    if (relu) value = _mm512_max_ps(value, _mm512_setzero_ps());
    if (c != nullptr) _mm512_mask_storeu_ps(c + first, there, value);
    return value;
  };
  constexpr __mmask16 kAll = 0xffff;
  int first = 0;
  const std::int32_t* sums = finish.panel_sums(row, 0);
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(finish.rows) * kIntegerPanelWidth;
  const bool pairs = finish.panels_at_once == 2;
  const std::ptrdiff_t second = pairs ? kIntegerPanelWidth : panel, third = 2 * panel, fourth = third + second;
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (; first + kStep <= columns; first += kStep, sums += kFinishedTogether * panel) {
    const __m512 v0 = value_of(sums, first, kAll);
    const __m512 v1 = value_of(sums + second, first + kIntegerPanelWidth, kAll);
    const __m512 v2 = value_of(sums + third, first + 2 * kIntegerPanelWidth, kAll);
    const __m512 v3 = value_of(sums + fourth, first + 3 * kIntegerPanelWidth, kAll);
    if (half_c != nullptr) {
      store_halves(half_c + first, v0, v1);
      store_halves(half_c + first + 2 * kIntegerPanelWidth, v2, v3);
    }
    if (q == nullptr) continue;
    const __m512i low = _mm512_packs_epi32(rounded(v0, inverse, zero), rounded(v1, inverse, zero));
    const __m512i high = _mm512_packs_epi32(rounded(v2, inverse, zero), rounded(v3, inverse, zero));
    _mm512_storeu_si512(q + first, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
  }
  for (; first < columns; first += kIntegerPanelWidth) {
    const int left = columns - first;
    const auto there = static_cast<__mmask16>(left >= kIntegerPanelWidth ? 0xffffu : (1u << left) - 1u);
    const __m512 value = value_of(finish.panel_sums(row, first / kIntegerPanelWidth), first, there);
    if (half_c != nullptr) {
      const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(in_upper_half(value), 16));
      _mm256_mask_storeu_epi16(half_c + first, there, halves);
    }
    if (q == nullptr) continue;
    const __m512i whole = _mm512_max_epi32(rounded(value, inverse, zero), _mm512_setzero_si512());
    _mm_mask_storeu_epi8(q + first, there, _mm512_cvtepi32_epi8(whole));
  }
}

#elif defined(FASTERMASK_FINISH_AVX2)

inline __m256 widened(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// 16 values as bfloat16 numbers.
inline __m256i narrowed(__m256 low, __m256 high) {
  const auto words_of = [](__m256 values) {
    return _mm256_srli_epi32(_mm256_add_epi32(_mm256_castps_si256(values), _mm256_set1_epi32(0x8000)), 16);
  };
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(words_of(low), words_of(high)), 0xD8);
}

// One row's columns of a panel, from `first` on. kWhole: a panel's.
template <bool kWhole>
inline void finish_panel(const IntegerFinish& finish, int row, int first, __m256 inverse, __m256 zero) {
  const int columns = finish.columns - first;
  const auto* sums = reinterpret_cast<const __m256i*>(finish.panel_sums(row, first / kIntegerPanelWidth));
  __m256 low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_loadu_si256(sums)), _mm256_loadu_ps(finish.scale + first),
                               _mm256_loadu_ps(finish.bias + first));
  __m256 high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_loadu_si256(sums + 1)),
                                _mm256_loadu_ps(finish.scale + first + 8), _mm256_loadu_ps(finish.bias + first + 8));
  float edge[kIntegerPanelWidth] = {};
  if (const float* residual = finish.row_of(finish.residual, row)) {
    residual += first;
    if (!kWhole) {
      std::copy(residual, residual + columns, edge);
      residual = edge;
    }
    low = _mm256_add_ps(low, _mm256_loadu_ps(residual));
    high = _mm256_add_ps(high, _mm256_loadu_ps(residual + 8));
  }
  Bf16 half_edge[kIntegerPanelWidth] = {};
  if (const Bf16* residual = finish.row_of(finish.half_residual, row)) {
    residual += first;
    if (!kWhole) {
      std::copy(residual, residual + columns, half_edge);
      residual = half_edge;
    }
    const auto* const halves = reinterpret_cast<const __m128i*>(residual);
    low = _mm256_add_ps(low, widened(_mm_loadu_si128(halves)));
    high = _mm256_add_ps(high, widened(_mm_loadu_si128(halves + 1)));
  }
  if (finish.relu) {
    low = _mm256_max_ps(low, _mm256_setzero_ps());
    high = _mm256_max_ps(high, _mm256_setzero_ps());
  }
  if (finish.c != nullptr) {
    float* const c = finish.c + row * finish.c_stride + first;
    _mm256_storeu_ps(kWhole ? c : edge, low);
    _mm256_storeu_ps((kWhole ? c : edge) + 8, high);
    if (!kWhole) std::copy(edge, edge + columns, c);
  }
  if (finish.half_c != nullptr) {
    Bf16* const c = finish.half_c + row * finish.c_stride + first;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(kWhole ? c : half_edge), narrowed(low, high));
    if (!kWhole) std::copy(half_edge, half_edge + columns, c);
  }
  if (finish.q == nullptr) return;
  std::uint8_t* const q = finish.q + row * finish.q_stride + first;
  std::uint8_t bytes[kIntegerPanelWidth];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(kWhole ? q : bytes), quantised(low, high, inverse, zero));
  if (!kWhole) std::copy(bytes, bytes + columns, q);
}

void finish_row(const IntegerFinish& finish, int row, __m256 inverse, __m256 zero) {
  int first = 0;
  for (; first + kIntegerPanelWidth <= finish.columns; first += kIntegerPanelWidth)
    finish_panel<true>(finish, row, first, inverse, zero);
  if (first < finish.columns) finish_panel<false>(finish, row, first, inverse, zero);
}

#else

void finish_row(const IntegerFinish& finish, int row, float inverse, float) {
  const float* const residual = finish.row_of(finish.residual, row);
  const Bf16* const half_residual = finish.row_of(finish.half_residual, row);
  for (int n = 0; n < finish.columns; ++n) {
    const std::int32_t sum = finish.panel_sums(row, n / kIntegerPanelWidth)[n % kIntegerPanelWidth];
    float value = static_cast<float>(sum) * finish.scale[n] + finish.bias[n];
    if (residual != nullptr) value += residual[n];
    if (half_residual != nullptr) value += widened(half_residual[n]);
    if (finish.relu) value = std::max(value, 0.0f);
    if (finish.c != nullptr) finish.c[row * finish.c_stride + n] = value;
    if (finish.half_c != nullptr) finish.half_c[row * finish.c_stride + n] = narrowed(value);
    if (finish.q != nullptr) finish.q[row * finish.q_stride + n] = quantised(value, inverse, finish.range);
  }
}

#endif

}  // namespace

void finish_integers(const IntegerFinish& finish) {
  const float inverse = 1 / finish.range.scale, zero = static_cast<float>(finish.range.zero);
  for (int row = 0; row < finish.rows; ++row) {
#if defined(FASTERMASK_ISA_avx512)
    finish_row(finish, row, _mm512_set1_ps(inverse), _mm512_set1_ps(zero));
#elif defined(FASTERMASK_FINISH_AVX2)
    finish_row(finish, row, _mm256_set1_ps(inverse), _mm256_set1_ps(zero));
#else
    finish_row(finish, row, inverse, zero);
#endif
  }
}

void quantise(const float* values, std::ptrdiff_t count, const ActivationRange& range, std::uint8_t* out) {
  const float inverse = 1 / range.scale;
  std::ptrdiff_t i = 0;
#if defined(FASTERMASK_FINISH_AVX2)
  const __m256 inverses = _mm256_set1_ps(inverse), zeros = _mm256_set1_ps(static_cast<float>(range.zero));
  for (; i + 16 <= count; i += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     quantised(_mm256_loadu_ps(values + i), _mm256_loadu_ps(values + i + 8), inverses, zeros));
  }
#endif
  for (; i < count; ++i) out[i] = quantised(values[i], inverse, range);
}

}  // namespace fastermask::FASTERMASK_ISA
