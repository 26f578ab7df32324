// The powers of two that float16 numbers are multiplied with (half_kernels.h). For the files of avx512fp16.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstddef>

#include "fastermask/kernels/fp16.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

inline __m512 larger_sizes(__m512 sizes, __m512 values) { return _mm512_max_ps(_mm512_abs_ps(values), sizes); }  // NaN: sizes

// The power of two that makes `size` at least half of 2^exponent, and less than that.
inline float power_for(float size, int exponent) {
  if (!(size > 0) || !std::isfinite(size)) return 1;
  const int power = exponent - 1 - std::ilogb(size);
  return std::ldexp(1.0f, power > 120 ? 120 : power);
}

inline __m256i as_fp16(__m512 values) {
  return _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

}  // namespace
}  // namespace fastermask::FASTERMASK_ISA
