// linear_weight_gradient() from float16 numbers (fp16_gradient.h).
#include <algorithm>
#include <cstddef>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/fp16_gradient.h"
#include "fastermask/kernels/linear_gradient.h"

namespace fastermask {
namespace {

// Some rows at a time are turned into panels, which all threads then read.
class Fp16LinearGradient {
 public:
  Fp16LinearGradient(const LinearGradientCall& call, const Fp16GradientOps& ops)
      : call_(call),
        ops_(ops),
        in_panels_((call.in_features + kFp16GradientColumns - 1) / kFp16GradientColumns),
        out_panels_((call.out_features + kFp16GradientRows - 1) / kFp16GradientRows),
        rows_at_once_(rows_at_once()),
        input_(panel_floats(in_panels_ * kFp16GradientColumns)),
        gradient_(panel_floats(out_panels_ * kFp16GradientRows)),
        input_scales_(static_cast<std::size_t>(in_panels_) * kMostParts),
        gradient_scales_(static_cast<std::size_t>(out_panels_) * kMostParts) {}

  void run() {
    for (std::int64_t first = 0; first < call_.rows; first += rows_at_once_) {
      const int count = static_cast<int>(std::min<std::int64_t>(rows_at_once_, call_.rows - first));
      pack(first, count);
      multiply(count, first > 0);
    }
  }

 private:
  // What is packed at once: at most this many parts of kFp16GradientDepth rows, or what a second-level cache has room
  // for.
  static constexpr int kMostParts = 32;
  static constexpr int kLeastParts = 4;  // whose input panels a first-level cache holds
  static constexpr std::int64_t kPackedNumbers = std::int64_t{1} << 20;

  int rows_at_once() const {
    const std::int64_t row = in_panels_ * kFp16GradientColumns + out_panels_ * kFp16GradientRows;
    const std::int64_t parts =
        std::clamp<std::int64_t>(kPackedNumbers / (row * kFp16GradientDepth), kLeastParts, kMostParts);
    const std::int64_t all = (call_.rows + kFp16GradientDepth - 1) / kFp16GradientDepth;
    return static_cast<int>(std::min(parts, all)) * kFp16GradientDepth;
  }
  std::size_t panel_floats(int width) const { return static_cast<std::size_t>(rows_at_once_) * width / 2; }
  Fp16* input_panel(int panel) {
    return reinterpret_cast<Fp16*>(input_.data()) +
           static_cast<std::ptrdiff_t>(panel) * rows_at_once_ * kFp16GradientColumns;
  }
  Fp16* gradient_panel(int panel) {
    return reinterpret_cast<Fp16*>(gradient_.data()) +
           static_cast<std::ptrdiff_t>(panel) * rows_at_once_ * kFp16GradientRows;
  }

  // Some panels of one part of `rows`, from `first_panel` on.
  void pack_part(const float* rows, int row_length, int first_panel, int width, int part, int count, Fp16* out,
                 float* scales) {
    const int first = part * kFp16GradientDepth, column = first_panel * width;
    ops_.pack_panels(rows + static_cast<std::ptrdiff_t>(first) * row_length + column, row_length,
                     std::min(kFp16GradientDepth, count - first),
                     std::min(row_length - column, kFp16PanelsTogether * width), width, out + first * width,
                     static_cast<std::ptrdiff_t>(rows_at_once_) * width, scales + first_panel * kMostParts + part,
                     kMostParts);
  }

  // Panels of rows first .. first + count: [panel][row][width].
  void pack(std::int64_t first, int count) {
    const auto shares_of = [](int panels) { return (panels + kFp16PanelsTogether - 1) / kFp16PanelsTogether; };
    const int parts = (count + kFp16GradientDepth - 1) / kFp16GradientDepth;
    const int in_shares = shares_of(in_panels_), shares = in_shares + shares_of(out_panels_);
    const float* const input = call_.input + first * call_.in_features;
    const float* const gradient = call_.output_gradient + first * call_.out_features;
    parallel_for(0, static_cast<std::int64_t>(parts) * shares, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const int part = static_cast<int>(i / shares), share = static_cast<int>(i % shares);
        if (share < in_shares) {
          const int panel = share * kFp16PanelsTogether;
          pack_part(input, call_.in_features, panel, kFp16GradientColumns, part, count, input_panel(panel),
                    input_scales_.data());
        } else {
          const int panel = (share - in_shares) * kFp16PanelsTogether;
          pack_part(gradient, call_.out_features, panel, kFp16GradientRows, part, count, gradient_panel(panel),
                    gradient_scales_.data());
        }
      }
    });
  }

  void multiply(int count, bool accumulate) {
    // A thread takes some panels of rows of the result, for all of its columns one panel after the other.
    constexpr int kTogether = 16;
    const int groups = (out_panels_ + kTogether - 1) / kTogether;
    parallel_for(0, static_cast<std::int64_t>(in_panels_) * groups, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const int panel = static_cast<int>(unit / groups), first_out = static_cast<int>(unit % groups) * kTogether;
        const int last_out = std::min(first_out + kTogether, out_panels_);
        for (int row = 0; row < count; row += kLeastParts * kFp16GradientDepth) {
          const int rows = std::min(count - row, kLeastParts * kFp16GradientDepth);
          for (int out = first_out; out < last_out; ++out) multiply_tile(panel, out, row, rows, accumulate || row > 0);
        }
      }
    });
  }

  void multiply_tile(int panel, int out, int first, int count, bool accumulate) {
    float* const at = call_.weight_gradient + static_cast<std::ptrdiff_t>(out) * kFp16GradientRows * call_.in_features +
                      panel * kFp16GradientColumns;
    const int rows = std::min(kFp16GradientRows, call_.out_features - out * kFp16GradientRows);
    const int columns = std::min(kFp16GradientColumns, call_.in_features - panel * kFp16GradientColumns);
    const bool whole = rows == kFp16GradientRows && columns == kFp16GradientColumns;
    float edge[kFp16GradientRows * kFp16GradientColumns];  // where rows or columns are missing: what stands for `at`
    Fp16GradientProduct product;
    product.sums = whole ? at : edge;
    product.stride = whole ? call_.in_features : kFp16GradientColumns;
    product.accumulate = accumulate && whole;
    for (int row = first; row < first + count; row += kFp16GradientDepth) {
      const int part = row / kFp16GradientDepth;
      product.rows = gradient_panel(out) + row * kFp16GradientRows;
      product.columns = input_panel(panel) + row * kFp16GradientColumns;
      product.depth = std::min(kFp16GradientDepth, first + count - row);
      product.scale = input_scales_[static_cast<std::size_t>(panel * kMostParts + part)] *
                      gradient_scales_[static_cast<std::size_t>(out * kMostParts + part)];
      ops_.multiply(product);
      product.accumulate = true;
    }
    if (whole) return;
    for (int r = 0; r < rows; ++r) {
      float* const row = at + static_cast<std::ptrdiff_t>(r) * call_.in_features;
      for (int n = 0; n < columns; ++n) row[n] = edge[r * kFp16GradientColumns + n] + (accumulate ? row[n] : 0.0f);
    }
  }

  const LinearGradientCall& call_;
  Fp16GradientOps ops_;
  int in_panels_;
  int out_panels_;
  int rows_at_once_;
  AlignedFloats input_;
  AlignedFloats gradient_;
  std::vector<float> input_scales_;     // [panel, kMostParts]
  std::vector<float> gradient_scales_;  // the same
};

}  // namespace

void linear_weight_gradient_fp16(const LinearGradientCall& call, const Fp16GradientOps& ops) {
  Fp16LinearGradient(call, ops).run();
}

}  // namespace fastermask
