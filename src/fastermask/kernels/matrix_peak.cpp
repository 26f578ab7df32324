#include "fastermask/kernels/matrix_peak.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {

double matrix_peak() {
  const PanelOps ops = panel_ops(best_isa());
  constexpr int kRows = 48, kDepth = 128, kRounds = 4000;
  const int columns = ops.panels_at_once * kPanelWidth;
  const int threads = num_threads();
  const auto work = [&] {
    parallel_for(0, threads, 1, [&](std::int64_t, std::int64_t) {
      float* memory = thread_scratch(static_cast<std::size_t>((kRows + columns) * kDepth + kRows * columns));
      std::fill_n(memory, (kRows + columns) * kDepth, 0.5f);
      PanelProduct product;
      product.panel = memory;
      product.panel_stride = static_cast<std::ptrdiff_t>(kDepth) * kPanelWidth;
      product.a = memory + columns * kDepth;
      product.a_stride = kDepth;
      product.c = memory + (kRows + columns) * kDepth;
      product.c_stride = columns;
      product.rows = kRows;
      product.depth = kDepth;
      product.columns = columns;
      for (int i = 0; i < kRounds; ++i) ops.multiply_panel(product);
    });
  };
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kRows * kDepth * columns * kRounds * threads / seconds.count());
  }
  return best;
}

}  // namespace fastermask
