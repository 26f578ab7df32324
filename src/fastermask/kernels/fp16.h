// float16 (IEEE 754's binary16): 11 bits of precision, up to 65504, in steps of 6e-8 near zero.
#pragma once

#include <cstdint>

namespace fastermask {

struct Fp16 {
  std::uint16_t bits = 0;
};

}  // namespace fastermask
