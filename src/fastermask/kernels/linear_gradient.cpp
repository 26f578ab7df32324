// Some columns of the input at a time are packed, some rows deep, and multiplied with all of the output's gradient,
// whose rows lie as the product's "by depth" wants them.
#include "fastermask/kernels/linear_gradient.h"

#include <algorithm>
#include <cstddef>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/fp16_gradient.h"

namespace fastermask {
namespace {

// Rows that are packed together: what they and the gradient's beside them take, the second-level cache holds.
constexpr std::int64_t kRowsOfPanel = 512;

// Columns [first, first + width) of `count` rows as panels, [panel][row][kPanelWidth]; zeros where there is no column.
void pack_columns(const float* rows, std::int64_t count, int row_length, int first, int width, float* packed) {
  for (int begin = 0; begin < width; begin += kPanelWidth) {
    const int columns = std::clamp(row_length - first - begin, 0, kPanelWidth);
    for (std::int64_t m = 0; m < count; ++m, packed += kPanelWidth) {
      const float* const row = rows + m * row_length + first + begin;
      std::copy(row, row + columns, packed);
      std::fill(packed + columns, packed + kPanelWidth, 0.0f);
    }
  }
}

}  // namespace

void linear_weight_gradient(const LinearGradientCall& call, Isa isa) {
  FASTERMASK_CHECK(call.rows >= 0 && call.in_features > 0 && call.out_features > 0,
                   "linear: impossible sizes: {} rows, {} to {} features", call.rows, call.in_features,
                   call.out_features);
  if (const Fp16GradientOps halves = fp16_gradient_ops();
      call.in_fp16 && call.rows > 0 && isa == Isa::avx512 && halves.multiply != nullptr) {
    linear_weight_gradient_fp16(call, halves);
    return;
  }
  const PanelOps ops = panel_ops(isa);
  const int width = ops.panels_at_once * kPanelWidth;
  const std::int64_t units = (call.in_features + width - 1) / width;
  parallel_for(0, units, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t deepest = std::min(kRowsOfPanel, std::max<std::int64_t>(call.rows, 1));
    float* const packed = thread_scratch(static_cast<std::size_t>(deepest * width));
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const int first = static_cast<int>(unit) * width;
      PanelProduct product;
      product.a_by_depth = true;
      product.a_stride = call.out_features;
      product.panel = packed;
      product.c = call.weight_gradient + first;
      product.c_stride = product.residual_stride = call.in_features;
      product.rows = call.out_features;
      product.columns = std::min(width, call.in_features - first);
      std::int64_t row = 0;
      do {  // once without rows: for zeros
        const std::int64_t count = std::min(kRowsOfPanel, call.rows - row);
        pack_columns(call.input + row * call.in_features, count, call.in_features, first, width, packed);
        product.panel_stride = static_cast<std::ptrdiff_t>(count) * kPanelWidth;
        product.a = call.output_gradient + row * call.out_features;
        product.depth = static_cast<int>(count);
        // Added at the end rather than started from: a long sum's rounding error is that of its pieces' sums.
        product.residual = row > 0 ? product.c : nullptr;
        ops.multiply_panel(product);
        row += kRowsOfPanel;
      } while (row < call.rows);
    }
  });
}

}  // namespace fastermask
