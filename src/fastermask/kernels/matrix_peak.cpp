#include "fastermask/kernels/matrix_peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/cached_product.h"
#include "fastermask/kernels/half_kernels.h"
#include "fastermask/kernels/tile_units.h"

namespace fastermask {
namespace {

// `make` gives each thread a product of its own.
template <class Make>
double best_rate(const Make& make) {
  constexpr int kRounds = 4000;
  const int threads = num_threads();
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(0, threads, 1, [&](std::int64_t, std::int64_t) {
      const auto product = make();
      for (int round = 0; round < kRounds; ++round) product();
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, make().operations() * kRounds * threads / seconds.count());
  }
  return best;
}

}  // namespace

double matrix_peak(MatrixNumbers numbers) {
  const PanelOps floats = panel_ops(best_isa());
  if (numbers == MatrixNumbers::int8) {
    return best_rate([] {
      return CachedIntegerProduct(integer_ops(best_isa()), tiles_work() ? kCachedByteTiles : CachedSize{});
    });
  }
  const HalfArithmetic halves = numbers == MatrixNumbers::bf16 ? half_arithmetic() : HalfArithmetic::float32;
  if (halves == HalfArithmetic::bfloat16)
    return best_rate([&] {
      return CachedProduct<Bf16>(half_ops().multiply_panel, floats.panels_at_once,
                                 tiles_work() ? kCachedTiles : CachedSize{});
    });
  if (halves == HalfArithmetic::float16)
    return best_rate([&] { return CachedProduct<Fp16>(fp16_ops().multiply_panel, floats.panels_at_once); });
  return best_rate([&] { return CachedProduct<float>(floats.multiply_panel, floats.panels_at_once); });
}

}  // namespace fastermask
