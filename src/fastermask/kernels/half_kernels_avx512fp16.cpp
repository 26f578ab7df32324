// See half_kernels.h: products of float16 numbers, 32 columns at a time.
#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "fastermask/kernels/fp16_scaling.h"
#include "fastermask/kernels/half_kernels.h"

namespace fastermask::FASTERMASK_ISA {

// winograd_avx512fp16.cpp
float winograd_input_fp16(const float* const* pixels, int channels, const WinogradFp16& values);

namespace {

constexpr int kColumns = 2 * kPanelWidth;
constexpr int kRows = 24;  // sums; a vector of weights is beside them, and a row's value comes from memory to all lanes

// sum += weights * the number `kStrides` strides of so many bytes behind `first`. A pointer serves three rows: there
// are not enough registers for one each, and loading pointers takes as long as loading numbers.
template <int kStrides>
inline void add_product(__m512h& sum, const __m512h& weights, const Fp16* first, std::ptrdiff_t stride) {
  const auto& memory = *reinterpret_cast<const Fp16(*)[]>(first);  // so that the compiler knows what is read
  if constexpr (kStrides == 0)
    asm("vfmadd231ph (%2)%{1to32%}, %1, %0" : "+v"(sum) : "v"(weights), "r"(first), "m"(memory));
  if constexpr (kStrides == 1)
    asm("vfmadd231ph (%2,%3)%{1to32%}, %1, %0" : "+v"(sum) : "v"(weights), "r"(first), "r"(stride), "m"(memory));
  if constexpr (kStrides == 2)
    asm("vfmadd231ph (%2,%3,2)%{1to32%}, %1, %0" : "+v"(sum) : "v"(weights), "r"(first), "r"(stride), "m"(memory));
}

// sums += part * scale * row_scale, for 32 columns.
inline void add_part(const __m512h& part, const float* scale, float row_scale, float* sums) {
  const __m512 row = _mm512_set1_ps(row_scale);
  const __m512i bits = _mm512_castph_si512(part);
  const __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(bits));
  const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(bits, 1));
  _mm512_store_ps(sums, _mm512_fmadd_ps(low, _mm512_mul_ps(_mm512_loadu_ps(scale), row), _mm512_load_ps(sums)));
  _mm512_store_ps(sums + 16,
                  _mm512_fmadd_ps(high, _mm512_mul_ps(_mm512_loadu_ps(scale + 16), row), _mm512_load_ps(sums + 16)));
}

void copy_columns(const float* from, float* to) {
  _mm512_storeu_ps(to, _mm512_loadu_ps(from));
  _mm512_storeu_ps(to + 16, _mm512_loadu_ps(from + 16));
}

// What is added to a row, or null.
const float* residual_row(const Fp16Product& product, int row) {
  if (product.residual == nullptr) return nullptr;
  return product.residual + ((row + product.residual_phase) >> product.residual_shift) * product.residual_stride;
}

// What follows the sums: residual, relu, gate, and where they belong.
void finish_row(const Fp16Product& product, int row, const float* sums) {
  float* const c = product.c + row * product.c_stride;
  const float* const residual = residual_row(product, row);
  const float* const gate = product.gate == nullptr ? nullptr : product.gate + row * product.c_stride;
  for (int n = 0; n < kColumns; n += 16) {
    __m512 value = _mm512_load_ps(sums + n);
    if (residual != nullptr) value = _mm512_add_ps(value, _mm512_loadu_ps(residual + n));
    if (product.relu) value = _mm512_max_ps(_mm512_setzero_ps(), value);  // in this order NaN stays
    if (gate != nullptr)
      value = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_loadu_ps(gate + n), _mm512_setzero_ps(), _CMP_NLE_UQ), value);
    _mm512_storeu_ps(c + n, value);
  }
}

template <int kR>
void multiply_rows(const Fp16Product& product, int first_row) {
  alignas(64) float sums[kR][kColumns];
  for (int r = 0; r < kR; ++r) {
    if (product.accumulate) {
      copy_columns(product.c + (first_row + r) * product.c_stride, sums[r]);
    } else if (product.bias != nullptr) {
      copy_columns(product.bias, sums[r]);
    } else {
      std::fill_n(sums[r], kColumns, 0.0f);
    }
  }
  // What is written and added at the end: on its way while the sums are made.
  for (int r = 0; r < kR; ++r) {
    const float* const c = product.c + (first_row + r) * product.c_stride;
    __builtin_prefetch(c, 1);
    __builtin_prefetch(c + kPanelWidth, 1);
    if (const float* const residual = residual_row(product, first_row + r)) {
      __builtin_prefetch(residual);
      __builtin_prefetch(residual + kPanelWidth);
    }
  }
  constexpr int kThrees = (kR + 2) / 3;
  const std::ptrdiff_t stride = product.a_stride * static_cast<std::ptrdiff_t>(sizeof(Fp16));
  const Fp16* panel = product.panel;
  const Fp16* first = product.a + first_row * product.a_stride;
  for (int part = 0; part < product.parts; ++part, first += product.part_stride) {
    for (int begin = 0; begin < product.depth; begin += kFp16Depth) {
      const int end = std::min(begin + kFp16Depth, product.depth);
      const Fp16* threes[kThrees];
#pragma GCC unroll 8
      for (int i = 0; i < kThrees; ++i) threes[i] = first + 3 * i * product.a_stride + begin;
      __m512h some[kR];
#pragma GCC unroll 24
      for (int r = 0; r < kR; ++r) some[r] = _mm512_setzero_ph();
      for (int k = begin; k < end; ++k, panel += kColumns) {
        const __m512h weights = _mm512_load_ph(panel);
#pragma GCC unroll 8
        for (int i = 0; i < kThrees; ++i) {
          add_product<0>(some[3 * i], weights, threes[i], stride);
          if (3 * i + 1 < kR) add_product<1>(some[std::min(3 * i + 1, kR - 1)], weights, threes[i], stride);
          if (3 * i + 2 < kR) add_product<2>(some[std::min(3 * i + 2, kR - 1)], weights, threes[i], stride);
          ++threes[i];
        }
      }
#pragma GCC unroll 24
      for (int r = 0; r < kR; ++r)
        add_part(some[r], product.scale, product.row_scale[(first_row + r) * product.row_scale_stride], sums[r]);
    }
  }
  for (int r = 0; r < kR; ++r) finish_row(product, first_row + r, sums[r]);
}

// As many rows together as there are, in a few sizes.
template <int kR>
int multiply_while(const Fp16Product& product, int row) {
  for (; row + kR <= product.rows; row += kR) multiply_rows<kR>(product, row);
  return row;
}

void multiply_fp16_panels(const Fp16Product& product) {
  int row = multiply_while<kRows>(product, 0);
  row = multiply_while<16>(product, row);
  row = multiply_while<12>(product, row);
  row = multiply_while<8>(product, row);
  row = multiply_while<4>(product, row);
  row = multiply_while<2>(product, row);
  multiply_while<1>(product, row);
}

float narrow_to_fp16(const float* in, Fp16* out, std::ptrdiff_t count) {
  __m512 sizes = _mm512_setzero_ps();
  for (std::ptrdiff_t i = 0; i < count; i += 16)
    sizes = larger_sizes(sizes, _mm512_maskz_loadu_ps(lanes_there(count - i), in + i));
  const float power = power_for(_mm512_reduce_max_ps(sizes), 15);
  const __m512 powers = _mm512_set1_ps(power);
  for (std::ptrdiff_t i = 0; i < count; i += 16) {
    const __mmask16 there = lanes_there(count - i);
    _mm256_mask_storeu_epi16(out + i, there, as_fp16(_mm512_mul_ps(_mm512_maskz_loadu_ps(there, in + i), powers)));
  }
  return 1 / power;
}

// Two steps of depth of a panel, as floats.
struct WeightPair {
  explicit WeightPair(const Bf16* pairs) {
    const __m512i both = _mm512_loadu_si512(pairs);
    first = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    second = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
  __m512 first, second;
};

void raise_scales(const Bf16* panel, std::ptrdiff_t depth, int tap_depth, float* scale) {
  __m512 most = _mm512_set1_ps(std::ldexp(1.0f, -101)), sum = _mm512_setzero_ps();
  int in_tap = 0;
  for (std::ptrdiff_t k = 0; k < depth; k += 2, panel += 2 * kPanelWidth) {
    if (in_tap % kFp16Depth == 0) sum = _mm512_setzero_ps();
    const WeightPair pair(panel);
    sum = _mm512_add_ps(sum, _mm512_add_ps(_mm512_abs_ps(pair.first), _mm512_abs_ps(pair.second)));
    most = _mm512_max_ps(most, sum);
    in_tap = in_tap + 2 == tap_depth ? 0 : in_tap + 2;
  }
  float sizes[kPanelWidth];
  _mm512_storeu_ps(sizes, most);
  for (int n = 0; n < kPanelWidth; ++n) scale[n] = std::max(scale[n], power_above(sizes[n]));
}

void pack_panel(const Bf16* panel, std::ptrdiff_t depth, const float* scale, Fp16* out) {
  const __m512 factor = _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_loadu_ps(scale));  // powers of two: exact
  for (std::ptrdiff_t k = 0; k < depth; k += 2, panel += 2 * kPanelWidth, out += 4 * kPanelWidth) {
    const WeightPair pair(panel);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), as_fp16(_mm512_mul_ps(pair.first, factor)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * kPanelWidth), as_fp16(_mm512_mul_ps(pair.second, factor)));
  }
}

}  // namespace

Fp16Ops fp16_unit_ops() {
  return {multiply_fp16_panels, narrow_to_fp16, winograd_input_fp16, raise_scales, pack_panel, kRows};
}

}  // namespace fastermask::FASTERMASK_ISA
