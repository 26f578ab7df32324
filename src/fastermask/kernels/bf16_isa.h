// The loop of bf16.h for each instruction set.
#pragma once

#include <cstdint>

namespace fastermask {

namespace generic {
void round_bf16(const float* in, float* out, std::int64_t count);
}
namespace avx2 {
void round_bf16(const float* in, float* out, std::int64_t count);
}
namespace avx512 {
void round_bf16(const float* in, float* out, std::int64_t count);
}

}  // namespace fastermask
