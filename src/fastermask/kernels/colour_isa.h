// The innermost loops of colour changes, compiled once per instruction set; all copies give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastermask/kernels/isa_copy.h"

namespace fastermask {

FASTERMASK_DECLARE_COPIES(
    // pixels[i] becomes offset + weight * pixels[i], clipped to [0, 255] and cut to a whole number.
    void scale_bytes(std::uint8_t* pixels, std::size_t count, float weight, float offset);

    // `count` pixels of three channels, of which `red` and 2 - red are red and blue: each value p becomes
    // (1 - weight) * gray + weight * p, clipped and cut, in doubles but for the last product, which is rounded to 32
    // bits.
    void saturate_pixels(std::uint8_t* pixels, std::size_t count, double weight, int red);

    std::uint64_t sum_bytes(const std::uint8_t* pixels, std::size_t count))

}  // namespace fastermask
