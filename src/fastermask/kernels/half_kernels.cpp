#include "fastermask/kernels/half_kernels.h"

#include "fastermask/base/cpu.h"

namespace fastermask {

#if defined(__x86_64__)
namespace avx512 {
HalfOps bf16_unit_ops();  // half_kernels_avx512bf16.cpp
}  // namespace avx512

HalfOps half_ops() { return has_bf16_units() ? avx512::bf16_unit_ops() : HalfOps{}; }
#else
HalfOps half_ops() { return {}; }
#endif

}  // namespace fastermask
