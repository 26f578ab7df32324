// Which of a kernel's compiled copies this machine runs best (see *_isa.cpp files and cmake/Layer.cmake).
#pragma once

namespace fastermask {

enum class Isa { generic, avx2, avx512 };

// The best instruction set that this processor has and this build contains. $FASTERMASK_ISA (generic, avx2, avx512) may
// lower it, to compare or to check a machine; asking for more than the processor has is ignored.
Isa best_isa();

const char* isa_name(Isa isa);

}  // namespace fastermask
