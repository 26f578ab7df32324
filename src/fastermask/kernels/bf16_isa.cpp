#include "fastermask/kernels/bf16_isa.h"

#include <cstring>

namespace fastermask::FASTERMASK_ISA {

void round_bf16(const float* in, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, in + i, sizeof(bits));
    // Adding just under half of the last place kept rounds to nearest; its own last bit decides ties.
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
    const std::uint32_t not_a_number = bits | 0x00400000u;  // quiet, its payload kept
    bits = (bits & 0x7FFFFFFFu) > 0x7F800000u ? (not_a_number & 0xFFFF0000u) : rounded;
    std::memcpy(out + i, &bits, sizeof(bits));
  }
}

}  // namespace fastermask::FASTERMASK_ISA
