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

constexpr int kExponent = 4;  // of the power of two that numbers are made less than

// `rows` rows of `columns` numbers times `power`, as a panel.
void fill_panel(const float* in, std::ptrdiff_t stride, int rows, int columns, int width, float power, Fp16* out) {
  const __m512 powers = _mm512_set1_ps(power);
  for (int v = 0; v < width / kPanelWidth; ++v) {
    const __mmask16 there = lanes_there(columns - v * kPanelWidth);
    const float* row = in + v * kPanelWidth;
    Fp16* to = out + v * kPanelWidth;
    for (int r = 0; r < rows; ++r, row += stride, to += width) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                          as_fp16(_mm512_mul_ps(_mm512_maskz_loadu_ps(there, row), powers)));
    }
  }
}

float pack(const float* in, std::ptrdiff_t stride, int rows, int columns, int width, Fp16* out) {
  __m512 sizes = _mm512_setzero_ps();
  for (int v = 0; v < width / kPanelWidth; ++v) {
    const __mmask16 there = lanes_there(columns - v * kPanelWidth);
    const float* row = in + v * kPanelWidth;
    for (int r = 0; r < rows; ++r, row += stride) sizes = larger_sizes(sizes, _mm512_maskz_loadu_ps(there, row));
  }
  const float power = power_for(_mm512_reduce_max_ps(sizes), kExponent);
  fill_panel(in, stride, rows, columns, width, power, out);
  return 1 / power;
}

void pack_panels(const float* in, std::ptrdiff_t stride, int rows, int columns, int width, Fp16* out,
                 std::ptrdiff_t panel_step, float* scales, std::ptrdiff_t scale_step) {
  constexpr int kMostVectors = kFp16PanelsTogether * kFp16GradientColumns / kPanelWidth;
  __m512 sizes[kMostVectors];
  const int vectors = (columns + kPanelWidth - 1) / kPanelWidth, vectors_of_panel = width / kPanelWidth;
  const __mmask16 in_last = lanes_there(columns - (vectors - 1) * kPanelWidth);
  for (int v = 0; v < vectors; ++v) sizes[v] = _mm512_setzero_ps();
  const float* row = in;
  for (int r = 0; r < rows; ++r, row += stride) {
    for (int v = 0; v < vectors - 1; ++v) sizes[v] = larger_sizes(sizes[v], _mm512_loadu_ps(row + v * kPanelWidth));
    const int last = vectors - 1;
    sizes[last] = larger_sizes(sizes[last], _mm512_maskz_loadu_ps(in_last, row + last * kPanelWidth));
  }
  for (int first = 0; first < vectors; first += vectors_of_panel) {
    __m512 most = sizes[first];
    for (int v = first + 1; v < std::min(first + vectors_of_panel, vectors); ++v) most = larger_sizes(most, sizes[v]);
    const float power = power_for(_mm512_reduce_max_ps(most), kExponent);
    fill_panel(in + first * kPanelWidth, stride, rows, columns - first * kPanelWidth, width, power, out);
    *scales = 1 / power;
    out += panel_step;
    scales += scale_step;
  }
}

}  // namespace

Fp16GradientOps fp16_gradient_unit_ops() { return {multiply, pack, pack_panels}; }

}  // namespace fastermask::FASTERMASK_ISA
