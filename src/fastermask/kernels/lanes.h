// Vectors of floats by the compiler's vector types, for the files that define FASTERMASK_ISA: one text serves every
// instruction set. Nothing from the standard library with code in it: such code could end up shared with other files.
#pragma once

#include <cstdint>

#include "fastermask/kernels/bf16.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

#if defined(FASTERMASK_ISA_avx512)
constexpr int kLanes = 16;
#elif defined(FASTERMASK_ISA_avx2)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
using Floats = float __attribute__((vector_size(4 * kLanes)));
// The same where it lies in memory: at any float's address.
using FloatsAt = float __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
using Words = std::uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));

inline Floats load(const float* address) { return *reinterpret_cast<const FloatsAt*>(address); }
inline void store(float* address, const Floats& values) { *reinterpret_cast<FloatsAt*>(address) = values; }

inline Floats load(const Bf16* address) {
  Halves halves;
  __builtin_memcpy(&halves, address, sizeof halves);
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}

// The upper half of float32 numbers' bits, or of one's, rounded to the nearest, ties to even. NaN stays NaN, quiet, with
// its payload kept.
template <class Bits>
inline Bits bf16_bits(const Bits& bits) {
  // Adding just under half of the last place kept rounds to nearest; its own last bit decides ties.
  const Bits rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  const Bits not_a_number = bits | 0x00400000u;
  return ((bits & 0x7FFFFFFFu) > 0x7F800000u ? not_a_number : rounded) >> 16;
}

inline void store(Bf16* address, const Floats& values) {
  const Halves halves = __builtin_convertvector(bf16_bits(reinterpret_cast<Words>(values)), Halves);
  __builtin_memcpy(static_cast<void*>(address), &halves, sizeof halves);
}

// A single number of each kind.
inline float load_one(const float* address) { return *address; }
inline void store_one(float* address, float value) { *address = value; }

inline float load_one(const Bf16* address) {
  const std::uint32_t bits = static_cast<std::uint32_t>(address->bits) << 16;
  float value = 0;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline void store_one(Bf16* address, float value) {
  std::uint32_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof bits);
  address->bits = static_cast<std::uint16_t>(bf16_bits(bits));
}

}  // namespace
}  // namespace fastermask::FASTERMASK_ISA
