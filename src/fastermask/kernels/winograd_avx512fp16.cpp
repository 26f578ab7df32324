// See half_kernels.h: windows into Winograd's domain as float16.
#include "fastermask/kernels/fp16_scaling.h"
#include "fastermask/kernels/half_kernels.h"
#include "fastermask/kernels/winograd_transforms.h"

namespace fastermask::FASTERMASK_ISA {

// The transform makes numbers at most (1 + a^2 b^2 + a^2 + b^2)^2 = 20.3 times as large, less than 2^5.
float winograd_input_fp16(const float* const* pixels, int channels, const WinogradFp16& values) {
  __m512 sizes = _mm512_setzero_ps();
  for (int i = 0; i < kWinogradMatrices; ++i) {
    for (int c = 0; c < channels; c += kLanes) sizes = larger_sizes(sizes, _mm512_loadu_ps(pixels[i] + c));
  }
  const float power = power_for(_mm512_reduce_max_ps(sizes), 10);
  transform_window(pixels, channels, values, [power](Fp16* address, const Floats& value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(address), as_fp16(reinterpret_cast<__m512>(value * power)));
  });
  return 1 / power;
}

}  // namespace fastermask::FASTERMASK_ISA
