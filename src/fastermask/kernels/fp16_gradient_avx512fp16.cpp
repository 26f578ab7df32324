// See fp16_gradient.h: up to 16 rows times 32 columns of sums in registers, a row's number read from memory to all lanes.
#include "fastermask/kernels/fp16_gradient.h"

#include <immintrin.h>

#include <algorithm>

#include "fastermask/kernels/fp16_scaling.h"
#include "fastermask/kernels/winograd_transforms.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

constexpr int kRows = 24;  // sums; the right numbers are beside them

__mmask16 lanes_there(std::ptrdiff_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffffu : count <= 0 ? 0u : (1u << count) - 1u);
}

// sum += right * left[kRow]
template <int kRow>
inline void add_product(__m512h& sum, const __m512h& right, const Fp16* left) {
  asm("vfmadd231ph %c3(%2)%{1to32%}, %1, %0"
      : "+v"(sum)
      : "v"(right), "r"(left), "i"(kRow * sizeof(Fp16)), "m"(*reinterpret_cast<const Fp16(*)[kRow + 1]>(left)));
}

template <int kR, int kRow = 0>
inline void add_products(__m512h (&sums)[kR], const __m512h& right, const Fp16* left) {
  add_product<kRow>(sums[kRow], right, left);
  if constexpr (kRow + 1 < kR) add_products<kR, kRow + 1>(sums, right, left);
}

// kR rows over some depth, and what was there before where `add`.
template <int kR>
void multiply_rows(const Fp16DepthProduct& product, int first_row, int begin, int end, bool add) {
  __m512h sums[kR];
#pragma GCC unroll 24
  for (int r = 0; r < kR; ++r) sums[r] = _mm512_setzero_ph();
  const Fp16* left = product.left + begin * product.left_stride + first_row;
  const Fp16* right = product.right + static_cast<std::ptrdiff_t>(begin) * kFp16GradientColumns;
  for (int k = begin; k < end; ++k, left += product.left_stride, right += kFp16GradientColumns)
    add_products(sums, _mm512_load_ph(right), left);
  const __m512 scale = _mm512_set1_ps(product.scale);
  const __mmask16 low_there = lanes_there(product.columns), high_there = lanes_there(product.columns - 16);
  float* c = product.c + first_row * product.c_stride;
#pragma GCC unroll 24
  for (int r = 0; r < kR; ++r, c += product.c_stride) {
    const __m512i bits = _mm512_castph_si512(sums[r]);
    __m512 low = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(bits)), scale);
    __m512 high = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(bits, 1)), scale);
    if (add) {
      low = _mm512_add_ps(low, _mm512_maskz_loadu_ps(low_there, c));
      high = _mm512_add_ps(high, _mm512_maskz_loadu_ps(high_there, c + 16));
    }
    _mm512_mask_storeu_ps(c, low_there, low);
    _mm512_mask_storeu_ps(c + 16, high_there, high);
  }
}

template <int kR>
int multiply_while(const Fp16DepthProduct& product, int row) {
  for (; row + kR <= product.rows; row += kR) {
    int begin = 0;
    do {  // once without depth: for zeros
      const int end = std::min(begin + kFp16GradientDepth, product.depth);
      multiply_rows<kR>(product, row, begin, end, product.accumulate || begin > 0);
      begin = end;
    } while (begin < product.depth);
  }
  return row;
}

void multiply(const Fp16DepthProduct& product) {
  int row = multiply_while<kRows>(product, 0);
  row = multiply_while<16>(product, row);
  row = multiply_while<8>(product, row);
  row = multiply_while<4>(product, row);
  multiply_while<1>(product, row);
}

float largest(const float* values, std::ptrdiff_t count) {
  __m512 some = _mm512_setzero_ps(), more = _mm512_setzero_ps();
  std::ptrdiff_t i = 0;
  for (; i + 32 <= count; i += 32) {
    some = larger_sizes(some, _mm512_loadu_ps(values + i));
    more = larger_sizes(more, _mm512_loadu_ps(values + i + 16));
  }
  for (; i < count; i += 16) some = larger_sizes(some, _mm512_maskz_loadu_ps(lanes_there(count - i), values + i));
  return _mm512_reduce_max_ps(_mm512_max_ps(some, more));
}

void narrow(const float* in, std::ptrdiff_t count, float power, Fp16* out) {
  const __m512 powers = _mm512_set1_ps(power);
  for (std::ptrdiff_t i = 0; i < count; i += 16) {
    const __mmask16 there = lanes_there(count - i);
    _mm256_mask_storeu_epi16(out + i, there, as_fp16(_mm512_mul_ps(_mm512_maskz_loadu_ps(there, in + i), powers)));
  }
}

void window(const float* const* pixels, int channels, float power, const WinogradFp16& values) {
  transform_window(pixels, channels, values, [power](Fp16* address, const Floats& value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(address), as_fp16(reinterpret_cast<__m512>(value * power)));
  });
}

void tile(const float* const* pixels, int channels, float power, const WinogradFp16& values) {
  for (int c = 0; c < channels; c += kLanes) {
    Fp16* const data = values.data + c / (2 * kWinogradChannels) * values.panel_stride + c % (2 * kWinogradChannels);
    transform_tile(pixels, c, [&](int matrix, const Floats& value) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(data + matrix * values.matrix_stride),
                          as_fp16(reinterpret_cast<__m512>(value * power)));
    });
  }
}

}  // namespace

Fp16GradientOps fp16_gradient_unit_ops() { return {multiply, largest, narrow, window, tile}; }

}  // namespace fastermask::FASTERMASK_ISA
