#include "fastermask/kernels/fp16_gradient.h"

#include "fastermask/base/cpu.h"

namespace fastermask {

#if defined(__x86_64__)
namespace avx512 {
Fp16GradientOps fp16_gradient_unit_ops();  // fp16_gradient_avx512fp16.cpp
}  // namespace avx512

Fp16GradientOps fp16_gradient_ops() { return has_fp16_units() ? avx512::fp16_gradient_unit_ops() : Fp16GradientOps{}; }
#else
Fp16GradientOps fp16_gradient_ops() { return {}; }
#endif

}  // namespace fastermask
