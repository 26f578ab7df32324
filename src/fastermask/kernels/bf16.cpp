#include "fastermask/kernels/bf16.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "fastermask/base/cpu.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/bf16_isa.h"

namespace fastermask {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

auto* best_round_bf16() {
  switch (best_isa()) {
#if defined(__x86_64__)
    case Isa::avx512: return avx512::round_bf16;
    case Isa::avx2: return avx2::round_bf16;
#endif
    default: return generic::round_bf16;
  }
}

}  // namespace

void round_to_bf16(const float* in, float* out, std::int64_t count) {
  auto* round = best_round_bf16();
  parallel_for(0, count, kGrain,
               [=](std::int64_t begin, std::int64_t end) { round(in + begin, out + begin, end - begin); });
}

void narrow_to_bf16(const float* in, Bf16* out, std::int64_t count) {
  auto* round = best_round_bf16();
  parallel_for(0, count, kGrain, [=](std::int64_t begin, std::int64_t end) {
    std::array<float, 1024> rounded;
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t some = std::min<std::int64_t>(end - i, static_cast<std::int64_t>(rounded.size()));
      round(in + i, rounded.data(), some);
      for (std::int64_t j = 0; j < some; ++j) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &rounded[static_cast<std::size_t>(j)], sizeof bits);
        out[i + j].bits = static_cast<std::uint16_t>(bits >> 16);
      }
      i += some;
    }
  });
}

void widen_bf16(const Bf16* in, float* out, std::int64_t count) {
  parallel_for(0, count, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint32_t bits = static_cast<std::uint32_t>(in[i].bits) << 16;
      std::memcpy(out + i, &bits, sizeof bits);
    }
  });
}

}  // namespace fastermask
