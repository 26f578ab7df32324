// See fp16_packing.h.
#include "fastermask/kernels/fp16_packing.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "fastermask/kernels/fp16_scaling.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

void pack_columns(const float* in, std::ptrdiff_t stride, std::ptrdiff_t depth, int tap_depth, float* scale,
                  Fp16* out) {
  __m512 most = _mm512_set1_ps(std::ldexp(1.0f, -101));
  for (std::ptrdiff_t tap = 0; tap < depth; tap += tap_depth) {
    for (int begin = 0; begin < tap_depth; begin += kFp16Depth) {
      const int end = std::min(begin + kFp16Depth, tap_depth);
      __m512 sum = _mm512_setzero_ps();
      for (int k = begin; k < end; ++k)
        sum = _mm512_add_ps(sum, _mm512_abs_ps(_mm512_loadu_ps(in + (tap + k) * stride)));
      most = _mm512_max_ps(most, sum);
    }
  }
  float sizes[kPanelWidth], factors[kPanelWidth];
  _mm512_storeu_ps(sizes, most);
  for (int n = 0; n < kPanelWidth; ++n) {
    scale[n] = power_above(sizes[n]);
    factors[n] = 1 / scale[n];
  }
  const __m512 factor = _mm512_loadu_ps(factors);  // powers of two: exact
  const auto scaled = [&](std::ptrdiff_t k) {
    return as_fp16(_mm512_mul_ps(_mm512_loadu_ps(in + k * stride), factor));
  };
  for (std::ptrdiff_t k = 0; k < depth; k += 2, out += 2 * kPanelWidth)
    _mm512_storeu_si512(out, paired(scaled(k), scaled(k + 1)));
}

// 16 columns at a time, which are first copied together: rows that lie a multiple of 4096 bytes apart share cache sets.
void transpose(const float* in, std::ptrdiff_t stride, std::ptrdiff_t depth, float* out) {
  constexpr int kBlock = 16, kStride = kBlock + 1;
  float block[kPanelWidth * kStride];
  const __m512i rows = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                          _mm512_set1_epi32(kStride));
  for (std::ptrdiff_t first = 0; first < depth; first += kBlock) {
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(kBlock, depth - first));
    const auto there = static_cast<__mmask16>((1u << count) - 1u);
    for (int n = 0; n < kPanelWidth; ++n)
      _mm512_storeu_ps(block + n * kStride, _mm512_maskz_loadu_ps(there, in + n * stride + first));
    for (int k = 0; k < count; ++k, out += kPanelWidth)
      _mm512_storeu_ps(out, _mm512_i32gather_ps(rows, block + k, sizeof(float)));
  }
}

}  // namespace

Fp16PackingOps fp16_packing_unit_ops() { return {pack_columns, transpose}; }

}  // namespace fastermask::FASTERMASK_ISA
