// See half_kernels.h.
#include "fastermask/kernels/half_kernels.h"

#include <immintrin.h>

#include "fastermask/kernels/panel_product_rows.h"

namespace fastermask::FASTERMASK_ISA {

// winograd_avx512bf16.cpp
void winograd_input_halves(const float* const* pixels, int channels, const WinogradHalves& values);

namespace {

void multiply_half_panel(const HalfProduct& product) { multiply_any(product); }

void narrow(const float* in, Bf16* out, std::ptrdiff_t count) {
  std::ptrdiff_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m512bh halves = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(in + i + 16), _mm512_loadu_ps(in + i));
    _mm512_storeu_si512(out + i, reinterpret_cast<__m512i>(halves));
  }
  for (; i < count; i += 16) {
    const auto some = static_cast<__mmask16>(count - i >= 16 ? 0xffffu : (1u << (count - i)) - 1u);
    const __m256bh halves = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(some, in + i));
    _mm256_mask_storeu_epi16(out + i, some, reinterpret_cast<__m256i>(halves));
  }
}

}  // namespace

HalfOps bf16_unit_ops() { return {multiply_half_panel, narrow, winograd_input_halves}; }

}  // namespace fastermask::FASTERMASK_ISA
