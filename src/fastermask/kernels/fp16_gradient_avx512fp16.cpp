// See fp16_gradient.h.
#include "fastermask/kernels/fp16_gradient.h"

#include <immintrin.h>

#include <algorithm>

#include "fastermask/kernels/fp16_scaling.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

// sum += values * the number at `factor`, which comes from memory to all lanes.
inline void add_product(__m512h& sum, const __m512h& values, const Fp16& factor) {
  asm("vfmadd231ph %2%{1to32%}, %1, %0" : "+v"(sum) : "v"(values), "m"(factor));
}

void add_scaled(const __m256h& part, const __m512& scale, bool accumulate, float* sums) {
  const __m512 values = _mm512_cvtph_ps(_mm256_castph_si256(part));
  _mm512_storeu_ps(sums,
                   accumulate ? _mm512_fmadd_ps(values, scale, _mm512_loadu_ps(sums)) : _mm512_mul_ps(values, scale));
}

void multiply(const Fp16GradientProduct& product) {
  __m512h sums[kFp16GradientRows];
#pragma GCC unroll 16
  for (int r = 0; r < kFp16GradientRows; ++r) {
    sums[r] = _mm512_setzero_ph();
    __builtin_prefetch(product.sums + r * product.stride, 1);
    __builtin_prefetch(product.sums + r * product.stride + kPanelWidth, 1);
  }
  const Fp16* rows = product.rows;
  const Fp16* columns = product.columns;
  for (int m = 0; m < product.depth; ++m, rows += kFp16GradientRows, columns += kFp16GradientColumns) {
    __builtin_prefetch(rows + 16 * kFp16GradientRows);  // both come from the second-level cache
    __builtin_prefetch(columns + 8 * kFp16GradientColumns);
    const __m512h values = _mm512_load_ph(columns);
#pragma GCC unroll 16
    for (int r = 0; r < kFp16GradientRows; ++r) add_product(sums[r], values, rows[r]);
  }
  const __m512 scale = _mm512_set1_ps(product.scale);
#pragma GCC unroll 16
  for (int r = 0; r < kFp16GradientRows; ++r) {
    float* const row = product.sums + r * product.stride;
    add_scaled(_mm512_castph512_ph256(sums[r]), scale, product.accumulate, row);
    const __m512i bits = _mm512_castph_si512(sums[r]);
    add_scaled(_mm256_castsi256_ph(_mm512_extracti64x4_epi64(bits, 1)), scale, product.accumulate, row + kPanelWidth);
  }
}

float pack(const float* in, std::ptrdiff_t stride, int rows, int columns, int width, Fp16* out) {
  constexpr int kExponent = 4;
  const int vectors = width / kPanelWidth;
  __m512 sizes = _mm512_setzero_ps();
  for (int v = 0; v < vectors; ++v) {
    const __mmask16 there = lanes_there(columns - v * kPanelWidth);
    const float* row = in + v * kPanelWidth;
    for (int r = 0; r < rows; ++r, row += stride) sizes = larger_sizes(sizes, _mm512_maskz_loadu_ps(there, row));
  }
  const float power = power_for(_mm512_reduce_max_ps(sizes), kExponent);
  const __m512 powers = _mm512_set1_ps(power);
  for (int v = 0; v < vectors; ++v) {
    const __mmask16 there = lanes_there(columns - v * kPanelWidth);
    const float* row = in + v * kPanelWidth;
    Fp16* to = out + v * kPanelWidth;
    for (int r = 0; r < rows; ++r, row += stride, to += width) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                          as_fp16(_mm512_mul_ps(_mm512_maskz_loadu_ps(there, row), powers)));
    }
  }
  return 1 / power;
}

}  // namespace

Fp16GradientOps fp16_gradient_unit_ops() { return {multiply, pack}; }

}  // namespace fastermask::FASTERMASK_ISA
