#include "fastermask/kernels/fp16_gradient.h"

#include <algorithm>
#include <cmath>

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/half_kernels.h"

namespace fastermask {

float fp16_power_for(float size, int exponent) {
  constexpr int kMostPower = 120;
  if (!std::isnormal(size)) return 1;
  return std::ldexp(1.0f, std::min(exponent - 1 - std::ilogb(size), kMostPower));
}

bool fp16_gradients_pay() { return has_fp16_units() && half_arithmetic() != HalfArithmetic::float32; }

#if defined(__x86_64__)
namespace avx512 {
Fp16GradientOps fp16_gradient_unit_ops();  // fp16_gradient_avx512fp16.cpp
}  // namespace avx512

Fp16GradientOps fp16_gradient_ops() { return has_fp16_units() ? avx512::fp16_gradient_unit_ops() : Fp16GradientOps{}; }
#else
Fp16GradientOps fp16_gradient_ops() { return {}; }
#endif

}  // namespace fastermask
