// Some columns of the input at a time are packed, some rows deep, and multiplied with all of the output's gradient,
// whose rows lie as the product's "by depth" wants them.
#include "fastermask/kernels/linear_gradient.h"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/fp16_gradient.h"

namespace fastermask {
namespace {

// Rows that are packed together: what they and the gradient's beside them take, the second-level cache holds.
constexpr std::int64_t kRowsOfPanel = 512;
// The same of float16 numbers: their blocks stay in the second-level cache, and few features take many rows.
constexpr std::int64_t kHalvesOfRows = 1 << 21, kLeastHalfRows = 1024, kMostHalfRows = 8192;
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

constexpr int kHighBlock = 16;  // of the gradient's features that are multiplied together
constexpr int kWideBlock = kFp16GradientColumns;  // of the input's

// Rows begin .. end of `count` rows' features, as blocks of kBlock of them, [block][row][kBlock]; what lies beyond the
// last feature is zeros.
template <int kBlock>
void pack_halves(const Fp16GradientOps& ops, const float* rows, std::int64_t begin, std::int64_t end,
                 std::int64_t count, int features, float power, Fp16* packed) {
  for (int first = 0; first < features; first += kBlock) {
    const int columns = std::min(kBlock, features - first);
    Fp16* out = packed + (first / kBlock * count + begin) * kBlock;
    for (std::int64_t m = begin; m < end; ++m, out += kBlock) {
      ops.narrow(rows + m * features + first, columns, power, out);
      std::fill(out + columns, out + kBlock, Fp16{});
    }
  }
}

// The largest sizes of some rows of both factors.
std::pair<float, float> largest_of(const Fp16GradientOps& ops, const LinearGradientCall& call, const float* input,
                                   const float* gradient, std::int64_t count) {
  std::mutex mutex;
  float in = 0, out = 0;
  parallel_for(0, count, kRowsTogether, [&](std::int64_t begin, std::int64_t end) {
    const float own_in = ops.largest(input + begin * call.in_features, (end - begin) * call.in_features);
    const float own_out = ops.largest(gradient + begin * call.out_features, (end - begin) * call.out_features);
    const std::lock_guard<std::mutex> lock(mutex);
    in = std::max(in, own_in);
    out = std::max(out, own_out);
  });
  return {in, out};
}

// Some rows at a time: their numbers as float16, then all products of them.
void half_gradient(const LinearGradientCall& call) {
  const Fp16GradientOps ops = fp16_gradient_ops();
  const std::int64_t deepest =
      std::min(std::clamp(kHalvesOfRows / (call.in_features + call.out_features), kLeastHalfRows, kMostHalfRows),
               std::max<std::int64_t>(call.rows, 1));
  const std::int64_t wide_blocks = (call.in_features + kWideBlock - 1) / kWideBlock;
  const std::int64_t high_blocks = (call.out_features + kHighBlock - 1) / kHighBlock;
  const std::int64_t right_size = deepest * wide_blocks * kWideBlock;
  AlignedFloats memory(static_cast<std::size_t>((right_size + deepest * high_blocks * kHighBlock) / 2));
  auto* const right = reinterpret_cast<Fp16*>(memory.data());
  Fp16* const left = right + right_size;
  std::int64_t first = 0;
  do {  // once without rows: for zeros
    const std::int64_t count = std::min(deepest, call.rows - first);
    const float* const input = call.input + first * call.in_features;
    const float* const gradient = call.output_gradient + first * call.out_features;
    const auto [input_size, gradient_size] = largest_of(ops, call, input, gradient, count);
    const float input_power = fp16_power_for(input_size, kFp16RightExponent);
    const float gradient_power = fp16_power_for(gradient_size, kFp16LeftExponent);
    parallel_for(0, count, kRowsTogether, [&](std::int64_t begin, std::int64_t end) {
      pack_halves<kWideBlock>(ops, input, begin, end, count, call.in_features, input_power, right);
      pack_halves<kHighBlock>(ops, gradient, begin, end, count, call.out_features, gradient_power, left);
    });
    parallel_for(0, wide_blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      Fp16DepthProduct product;
      product.left_stride = kHighBlock;
      product.depth = static_cast<int>(count);
      product.scale = 1 / input_power / gradient_power;
      product.c_stride = call.in_features;
      product.accumulate = first > 0;
      for (std::int64_t wide = begin; wide < end; ++wide) {
        product.right = right + wide * count * kWideBlock;
        product.columns = static_cast<int>(std::min<std::int64_t>(kWideBlock, call.in_features - wide * kWideBlock));
        for (std::int64_t high = 0; high < high_blocks; ++high) {
          product.left = left + high * count * kHighBlock;
          product.rows = static_cast<int>(std::min<std::int64_t>(kHighBlock, call.out_features - high * kHighBlock));
          product.c = call.weight_gradient + high * kHighBlock * call.in_features + wide * kWideBlock;
          ops.multiply(product);
        }
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
