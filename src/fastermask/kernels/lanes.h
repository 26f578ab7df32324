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

// Rounds to the nearest, ties to even; NaN stays NaN (round_to_bf16()).
inline void store(Bf16* address, const Floats& values) {
  const Words bits = reinterpret_cast<Words>(values);
  const Words rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const Words not_a_number = (bits | 0x00400000u) >> 16;
  const Halves halves =
      __builtin_convertvector((bits & 0x7FFFFFFFu) > 0x7F800000u ? not_a_number : rounded, Halves);
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
  const std::uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  const std::uint32_t result = (bits & 0x7FFFFFFFu) > 0x7F800000u ? bits | 0x00400000u : rounded;
  address->bits = static_cast<std::uint16_t>(result >> 16);
}

}  // namespace
}  // namespace fastermask::FASTERMASK_ISA
