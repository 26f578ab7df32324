#include "fastermask/kernels/bf16_isa.h"

#include <cstring>

#include "fastermask/kernels/lanes.h"

namespace fastermask::FASTERMASK_ISA {

void round_bf16(const float* in, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, in + i, sizeof(bits));
    bits = bf16_bits(bits) << 16;
    std::memcpy(out + i, &bits, sizeof(bits));
  }
}

}  // namespace fastermask::FASTERMASK_ISA
