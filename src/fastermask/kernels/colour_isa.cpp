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

void saturate_pixels(std::uint8_t* pixels, std::size_t count, double weight, int red) {
  constexpr std::size_t kBlock = 256;  // pixels taken apart by channel at a time, to fill vectors
  std::uint8_t planes[3][kBlock];
  double base[kBlock];
  const float weight32 = static_cast<float>(weight);
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t n = count - begin < kBlock ? count - begin : kBlock;
    std::uint8_t* block = pixels + 3 * begin;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t c = 0; c < 3; ++c) planes[c][i] = block[3 * i + c];
    }
    const std::uint8_t* r = planes[red];
    const std::uint8_t* g = planes[1];
    const std::uint8_t* b = planes[2 - red];
    for (std::size_t i = 0; i < n; ++i) {
      const double gray =
          0.299 * static_cast<double>(r[i]) + 0.587 * static_cast<double>(g[i]) + 0.114 * static_cast<double>(b[i]);
      base[i] = (1 - weight) * gray;
    }
    for (std::uint8_t(&plane)[kBlock] : planes) {
      for (std::size_t i = 0; i < n; ++i) {
        const float product = weight32 * static_cast<float>(plane[i]);
        double value = base[i] + static_cast<double>(product);
        value = value > 0.0 ? value : 0.0;
        value = value < 255.0 ? value : 255.0;
        plane[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(value));
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t c = 0; c < 3; ++c) block[3 * i + c] = planes[c][i];
    }
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
