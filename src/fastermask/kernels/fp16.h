// float16 (IEEE 754's binary16): 11 bits of precision, up to 65504, in steps of 6e-8 near zero.
#pragma once

#include <cmath>
#include <cstdint>

namespace fastermask {

struct Fp16 {
  std::uint16_t bits = 0;
};

// The number as a float32, on any machine. Slow.
inline float to_float(Fp16 number) {
  const int exponent = number.bits >> 10 & 31, mantissa = number.bits & 1023;
  float size = 0;
  if (exponent == 31) {
    size = mantissa == 0 ? HUGE_VALF : std::nanf("");
  } else {
    size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                         : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return number.bits >> 15 != 0 ? -size : size;
}

}  // namespace fastermask
