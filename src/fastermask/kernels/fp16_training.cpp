#include "fastermask/kernels/fp16_gradient.h"

#include "fastermask/base/cpu.h"
#include "fastermask/kernels/fp16_packing.h"

namespace fastermask {

#if defined(__x86_64__)
namespace avx512 {
Fp16GradientOps fp16_gradient_unit_ops();  // fp16_gradient_avx512fp16.cpp
Fp16PackingOps fp16_packing_unit_ops();    // fp16_packing_avx512fp16.cpp
}  // namespace avx512

Fp16GradientOps fp16_gradient_ops() { return has_fp16_units() ? avx512::fp16_gradient_unit_ops() : Fp16GradientOps{}; }
Fp16PackingOps fp16_packing_ops() { return has_fp16_units() ? avx512::fp16_packing_unit_ops() : Fp16PackingOps{}; }
#else
Fp16PackingOps fp16_packing_ops() { return {}; }
Fp16GradientOps fp16_gradient_ops() { return {}; }
#endif

}  // namespace fastermask
