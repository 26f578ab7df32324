// Which of a kernel's compiled copies this machine runs best (see *_isa.cpp files and cmake/Layer.cmake).
#pragma once

namespace fastermask {

enum class Isa { generic, avx2, avx512 };

// The best instruction set that this processor has and this build contains. $FASTERMASK_ISA (generic, avx2, avx512) may
// lower it, to compare or to check a machine; asking for more than the processor has is ignored.
Isa best_isa();

const char* isa_name(Isa isa);

// Whether kernels that need more than best_isa() may run: products of bfloat16 pairs (AVX512-BF16; whether they are
// also worth it: kernels/half_kernels.h), of float16 numbers (AVX512-FP16), of bytes (AVX512-VNNI). False where
// $FASTERMASK_ISA asks for less than avx512; $FASTERMASK_FP16_UNITS=0 and $FASTERMASK_VNNI=0 turn the latter off.
bool has_bf16_units();
bool has_fp16_units();
bool has_vnni();

// Whether kernels may multiply tiles (AMX, in bfloat16 and in bytes): the processor has them, besides all of the above but
// float16, and the operating system lets this process use them, which the first call asks it. $FASTERMASK_AMX=0 turns it
// off.
bool has_amx();

}  // namespace fastermask
