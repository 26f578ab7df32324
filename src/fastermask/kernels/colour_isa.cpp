// Loops over bytes (see colour_isa.h) that compilers turn into vector code for each instruction set.
#include "fastermask/kernels/colour_isa.h"

namespace fastermask::FASTERMASK_ISA {

void scale_bytes(std::uint8_t* pixels, std::size_t count, float weight, float offset) {
  for (std::size_t i = 0; i < count; ++i) {
    const float scaled = weight * static_cast<float>(pixels[i]);
    float value = offset + scaled;
    value = value > 0.0f ? value : 0.0f;
    value = value < 255.0f ? value : 255.0f;
    pixels[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(value));
  }
}

std::uint64_t sum_bytes(const std::uint8_t* pixels, std::size_t count) {
  constexpr std::size_t kBlock = 1 << 16;  // whose sum fits into 32 bits
  std::uint64_t sum = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = count - begin < kBlock ? count : begin + kBlock;
    std::uint32_t block = 0;
    for (std::size_t i = begin; i < end; ++i) block += pixels[i];
    sum += block;
  }
  return sum;
}

}  // namespace fastermask::FASTERMASK_ISA
