// The powers of two that float16 numbers are multiplied with (half_kernels.h). For the files of avx512fp16.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fastermask/kernels/fp16.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

// The larger of `sizes` and the sizes of `values`; of NaN, `sizes`.
inline __m512 larger_sizes(__m512 sizes, __m512 values) { return _mm512_max_ps(_mm512_abs_ps(values), sizes); }

// The power of two, at most 2^120, that makes `size` at least half of 2^exponent and less than that; 1 for sizes that
// no power can help: 0, float32's subnormal ones, infinity. By its bits, as every pixel asks for one.
inline float power_for(float size, int exponent) {
  constexpr std::uint32_t kMantissaBits = 23;
  constexpr int kBias = 127, kMostPower = 120;
  std::uint32_t bits = 0;
  std::memcpy(&bits, &size, sizeof bits);
  const auto biased = static_cast<int>(bits >> kMantissaBits);
  if (biased == 0 || biased == 255) return 1;
  bits = static_cast<std::uint32_t>(std::min(exponent - 1 - (biased - kBias), kMostPower) + kBias) << kMantissaBits;
  float power = 0;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// The smallest power of two, at most 2^120, that is above `size`; 1 for what is not finite.
inline float power_above(float size) {
  return std::isfinite(size) ? std::ldexp(1.0f, std::min(std::ilogb(size) + 1, 120)) : 1.0f;
}

// The first `count` of 16 lanes.
inline __mmask16 lanes_there(std::ptrdiff_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffffu : count <= 0 ? 0u : (1u << count) - 1u);
}

inline __m256i as_fp16(__m512 values) { return _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// Numbers of `first` in even places, those of `second` in odd ones.
inline __m512i paired(__m256i first, __m256i second) {
  return _mm512_or_si512(_mm512_cvtepu16_epi32(first), _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
}

}  // namespace
}  // namespace fastermask::FASTERMASK_ISA
