#include "fastermask/kernels/bf16.h"

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

}  // namespace fastermask
