// See half_kernels.h: windows into Winograd's domain as bfloat16.
#include <immintrin.h>

#include "fastermask/kernels/winograd_transforms.h"

namespace fastermask::FASTERMASK_ISA {

void winograd_input_halves(const float* const* pixels, int channels, const WinogradHalves& values) {
  transform_window(pixels, channels, values, [](Bf16* address, const Floats& value) {
    const __m256bh halves = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(value));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(address), reinterpret_cast<__m256i>(halves));
  });
}

}  // namespace fastermask::FASTERMASK_ISA
