// bfloat16: a float32 with the lower 16 bits of its mantissa gone (8 bits of precision, float32's range).
#pragma once

#include <cstdint>

namespace fastermask {

struct Bf16 {
  std::uint16_t bits = 0;  // the upper half of the float32's
};

// out[i] = in[i] rounded to the nearest bfloat16, ties to even, as a float32; infinities and NaN stay what they are.
// May work in place. Parallel.
void round_to_bf16(const float* in, float* out, std::int64_t count);

// The same numbers in half the bytes, and back. Parallel.
void narrow_to_bf16(const float* in, Bf16* out, std::int64_t count);
void widen_bf16(const Bf16* in, float* out, std::int64_t count);

}  // namespace fastermask
