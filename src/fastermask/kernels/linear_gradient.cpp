// Some columns of the input at a time are packed, some rows deep, and multiplied with all of the output's gradient,
// whose rows lie as the product's "by depth" wants them.
#include "fastermask/kernels/linear_gradient.h"

#include <algorithm>
#include <cstddef>
#include <mutex>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/fp16_gradient.h"

namespace fastermask {
namespace {

// Rows that are packed together: what they and the gradient's beside them take, the second-level cache holds.
constexpr std::int64_t kRowsOfPanel = 512;
constexpr std::int64_t kHalfRowsOfPanel = 1024;
constexpr std::int64_t kRowsTogether = 16;  // of a thread's at least

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

// Float16 numbers of some rows at a time: the gradient's as they lie, the input's as columns of panels,
// [32 columns][row][32], zeros where there is no column; then all products of these rows.
void half_gradient(const LinearGradientCall& call) {
  constexpr int kWide = kFp16GradientColumns;
  const Fp16GradientOps ops = fp16_gradient_ops();
  const std::int64_t deepest = std::min(kHalfRowsOfPanel, std::max<std::int64_t>(call.rows, 1));
  const std::int64_t units = (call.in_features + kWide - 1) / kWide;
  const std::size_t left_floats = static_cast<std::size_t>((deepest * call.out_features + 31) / 32 * 16);
  AlignedFloats memory(left_floats + static_cast<std::size_t>(deepest * units * kWide / 2));
  auto* const left = reinterpret_cast<Fp16*>(memory.data());
  auto* const right = reinterpret_cast<Fp16*>(memory.data() + left_floats);
  std::int64_t first = 0;
  do {  // once without rows: for zeros
    const std::int64_t count = std::min(deepest, call.rows - first);
    const float* const input = call.input + first * call.in_features;
    const float* const gradient = call.output_gradient + first * call.out_features;
    std::mutex mutex;
    float input_size = 0, gradient_size = 0;
    parallel_for(0, count, kRowsTogether, [&](std::int64_t begin, std::int64_t end) {
      const float in = ops.largest(input + begin * call.in_features, (end - begin) * call.in_features);
      const float out = ops.largest(gradient + begin * call.out_features, (end - begin) * call.out_features);
      const std::lock_guard<std::mutex> lock(mutex);
      input_size = std::max(input_size, in);
      gradient_size = std::max(gradient_size, out);
    });
    const float input_power = fp16_power_for(input_size, kFp16RightExponent);
    const float gradient_power = fp16_power_for(gradient_size, kFp16LeftExponent);
    parallel_for(0, count, kRowsTogether, [&](std::int64_t begin, std::int64_t end) {
      ops.narrow(gradient + begin * call.out_features, (end - begin) * call.out_features, gradient_power,
                 left + begin * call.out_features);
      for (std::int64_t m = begin; m < end; ++m) {
        for (std::int64_t unit = 0; unit < units; ++unit) {
          const std::int64_t columns = std::min<std::int64_t>(kWide, call.in_features - unit * kWide);
          Fp16* const packed = right + (unit * count + m) * kWide;
          ops.narrow(input + m * call.in_features + unit * kWide, columns, input_power, packed);
          std::fill(packed + columns, packed + kWide, Fp16{});
        }
      }
    });
    parallel_for(0, units, 1, [&](std::int64_t begin, std::int64_t end) {
      Fp16DepthProduct product;
      product.left = left;
      product.left_stride = call.out_features;
      product.rows = call.out_features;
      product.depth = static_cast<int>(count);
      product.scale = 1 / input_power / gradient_power;
      product.c_stride = call.in_features;
      product.accumulate = first > 0;
      for (std::int64_t unit = begin; unit < end; ++unit) {
        product.right = right + unit * count * kWide;
        product.columns = static_cast<int>(std::min<std::int64_t>(kWide, call.in_features - unit * kWide));
        product.c = call.weight_gradient + unit * kWide;
        ops.multiply(product);
      }
    });
    first += count;
  } while (first < call.rows);
}

}  // namespace

void linear_weight_gradient(const LinearGradientCall& call, Isa isa) {
  FASTERMASK_CHECK(call.rows >= 0 && call.in_features > 0 && call.out_features > 0,
                   "linear: impossible sizes: {} rows, {} to {} features", call.rows, call.in_features,
                   call.out_features);
  if (call.in_16_bits && isa == Isa::avx512 && fp16_gradients_pay()) return half_gradient(call);
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
