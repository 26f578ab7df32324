// Nine matrix products, one a kernel position, whose depth is the pixels: both operands are cut into panels of 16
// channels, with a border of zeros around the rows, so that a position is no more than an offset into the input's
// panels. Some rows at a time, so that the panels stay in the nearest caches.
#include "fastermask/kernels/convolution_gradient.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/panel_product.h"

namespace fastermask {
namespace {

constexpr int kPositions = 9;
constexpr int kWantedDepth = 256;  // pixels of a product: both panels together fill a first-level cache

int panels_of_channels(int channels) { return (channels + kPanelWidth - 1) / kPanelWidth; }

// Pixels of one row, cut into panels: pixel x of panel p goes to panels + p * panel_stride + x * kPanelWidth. Channels
// beyond the last are zero; a null row is all zeros.
void cut_row(const float* row, int width, int channels, float* panels, std::ptrdiff_t panel_stride) {
  const int count = panels_of_channels(channels);
  for (int p = 0; p < count; ++p) {
    float* out = panels + p * panel_stride;
    if (row == nullptr) {
      std::memset(out, 0, static_cast<std::size_t>(width) * kPanelWidth * sizeof(float));
      continue;
    }
    const int present = std::min(kPanelWidth, channels - p * kPanelWidth);
    const float* in = row + static_cast<std::ptrdiff_t>(p) * kPanelWidth;
    for (int x = 0; x < width; ++x, in += channels, out += kPanelWidth) {
      if (present == kPanelWidth) {
        std::memcpy(out, in, kPanelWidth * sizeof(float));
      } else {
        for (int i = 0; i < kPanelWidth; ++i) out[i] = i < present ? in[i] : 0.0f;
      }
    }
  }
}

class WeightGradient {
 public:
  WeightGradient(const WeightGradientCall& call, Isa isa)
      : call_(call),
        ops_(panel_ops(isa)),
        in_panels_(panels_of_channels(call.in_channels)),
        out_panels_(panels_of_channels(call.out_channels)),
        padded_width_(call.width + 2),
        rows_at_once_(std::min(std::max(kWantedDepth / padded_width_, 1), call.height)),
        input_stride_(static_cast<std::ptrdiff_t>(rows_at_once_ + 2) * padded_width_ * kPanelWidth),
        gradient_stride_(static_cast<std::ptrdiff_t>(rows_at_once_) * padded_width_ * kPanelWidth),
        input_(static_cast<std::size_t>(in_panels_ * input_stride_)),
        gradient_(static_cast<std::size_t>(out_panels_ * gradient_stride_)),
        sums_(static_cast<std::size_t>(kPositions) * static_cast<std::size_t>(out_panels_ * in_panels_) * kPanelWidth *
              kPanelWidth) {}

  void run() {
    std::memset(sums_.data(), 0, sums_.size() * sizeof(float));
    for (int image = 0; image < call_.batch; ++image) {
      for (int first = 0; first < call_.height; first += rows_at_once_) {
        const int rows = std::min(rows_at_once_, call_.height - first);
        cut(image, first, rows);
        multiply(rows);
      }
    }
    arrange();
  }

 private:
  // Cuts output rows first .. first + rows and the input rows they see.
  void cut(int image, int first, int rows) {
    const std::ptrdiff_t image_row = static_cast<std::ptrdiff_t>(image) * call_.height;
    const std::ptrdiff_t row_floats = static_cast<std::ptrdiff_t>(padded_width_) * kPanelWidth;
    const std::int64_t input_rows = rows + 2;
    parallel_for(0, input_rows + rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (i < input_rows) {
          const std::ptrdiff_t y = first + i - 1;
          const bool inside = y >= 0 && y < call_.height;
          const float* row = call_.input + (image_row + y) * call_.width * call_.in_channels;
          float* panels = input_.data() + i * row_floats;
          clear_border(panels, input_stride_, in_panels_, 0);
          clear_border(panels, input_stride_, in_panels_, padded_width_ - 1);
          cut_row(inside ? row : nullptr, call_.width, call_.in_channels, panels + kPanelWidth, input_stride_);
        } else {
          const std::ptrdiff_t y = i - input_rows;
          const float* row = call_.output_gradient + (image_row + first + y) * call_.width * call_.out_channels;
          float* panels = gradient_.data() + y * row_floats;
          cut_row(row, call_.width, call_.out_channels, panels, gradient_stride_);
          clear_border(panels, gradient_stride_, out_panels_, padded_width_ - 2);
          clear_border(panels, gradient_stride_, out_panels_, padded_width_ - 1);
        }
      }
    });
  }

  static void clear_border(float* panels, std::ptrdiff_t panel_stride, int count, int x) {
    for (int p = 0; p < count; ++p) std::fill_n(panels + p * panel_stride + x * kPanelWidth, kPanelWidth, 0.0f);
  }

  // Adds to the sums, [position][out panel][channel in][kPanelWidth channels out].
  void multiply(int rows) {
    const std::int64_t units = static_cast<std::int64_t>(kPositions) * out_panels_;
    parallel_for(0, units, 1, [&](std::int64_t begin, std::int64_t end) {
      PanelProduct product;
      product.a_by_depth = true;
      product.a_stride = kPanelWidth;
      product.c_stride = kPanelWidth;
      product.depth = rows * padded_width_ - 2;  // the last two pixels are border
      product.columns = kPanelWidth;
      product.accumulate = true;
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::ptrdiff_t position = unit / out_panels_;
        const std::ptrdiff_t shift = (position / 3 * padded_width_ + position % 3) * kPanelWidth;
        product.panel = gradient_.data() + unit % out_panels_ * gradient_stride_;
        for (int p = 0; p < in_panels_; ++p) {
          product.a = input_.data() + p * input_stride_ + shift;
          product.rows = std::min(kPanelWidth, call_.in_channels - p * kPanelWidth);
          product.c = sums_.data() + (unit * in_panels_ + p) * kPanelWidth * kPanelWidth;
          ops_.multiply_panel(product);
        }
      }
    });
  }

  void arrange() const {
    parallel_for(0, call_.out_channels, 4, [&](std::int64_t begin, std::int64_t end) {
      const std::ptrdiff_t position_floats =
          static_cast<std::ptrdiff_t>(out_panels_) * in_panels_ * kPanelWidth * kPanelWidth;
      for (std::int64_t k = begin; k < end; ++k) {
        const float* sums = sums_.data() + k / kPanelWidth * in_panels_ * kPanelWidth * kPanelWidth + k % kPanelWidth;
        float* out = call_.weight_gradient + k * call_.in_channels * kPositions;
        for (int c = 0; c < call_.in_channels; ++c) {
          for (int position = 0; position < kPositions; ++position) {
            *out++ = sums[position * position_floats + static_cast<std::ptrdiff_t>(c) * kPanelWidth];
          }
        }
      }
    });
  }

  const WeightGradientCall& call_;
  PanelOps ops_;
  int in_panels_;
  int out_panels_;
  int padded_width_;
  int rows_at_once_;
  std::ptrdiff_t input_stride_;     // floats of an input panel: [rows + 2, padded width, kPanelWidth]
  std::ptrdiff_t gradient_stride_;  // of a gradient panel: [rows, padded width, kPanelWidth]
  AlignedFloats input_;
  AlignedFloats gradient_;
  AlignedFloats sums_;
};

}  // namespace

void convolution_weight_gradient(const WeightGradientCall& call, Isa isa) {
  FASTERMASK_CHECK(
      call.batch >= 0 && call.height > 0 && call.width > 0 && call.in_channels > 0 && call.out_channels > 0,
      "convolution: impossible sizes: {} images of {} x {}, {} to {} channels", call.batch, call.height, call.width,
      call.in_channels, call.out_channels);
  WeightGradient(call, isa).run();
}

}  // namespace fastermask
