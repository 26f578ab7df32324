// The weight's gradient in Winograd's domain (arXiv:1509.09308, section 4.1's transforms read backwards): the input's
// windows and the output gradient's tiles are transformed, 36 matrix products sum over the tiles, and the sums are
// transformed to the nine kernel positions once, at the end. Some tiles at a time, so that what the products read stays
// in the caches.
#include "fastermask/kernels/convolution_gradient.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/fp16_gradient.h"
#include "fastermask/kernels/winograd_kernel.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {
namespace {

static_assert(kPanelWidth == kWinogradChannels, "a panel is what the transforms lay down together");

constexpr std::int64_t kTilesAtOnce = 192;  // depth of a product: both its panels fit a first-level cache
constexpr int kPositions = 9;
// Added to a matrix's size, so that the 36 values of a pixel do not fall into the same cache set.
constexpr std::ptrdiff_t kMatrixPad = 5 * 16;

class WeightGradient {
 public:
  WeightGradient(const WeightGradientCall& call, Isa isa)
      : call_(call),
        ops_(panel_ops(isa)),
        input_transform_(FASTERMASK_PICK_COPY(winograd_input, isa)),
        gradient_transform_(FASTERMASK_PICK_COPY(winograd_gradient, isa)),
        kernel_gradients_(FASTERMASK_PICK_COPY(winograd_kernel_gradients, isa)),
        in_panels_(panels_of(call.in_channels)),
        out_panels_(panels_of(call.out_channels)),
        down_((call.height + kWinogradTile - 1) / kWinogradTile),
        across_((call.width + kWinogradTile - 1) / kWinogradTile),
        tiles_(call.batch * down_ * across_),
        panel_stride_(std::min(kTilesAtOnce, tiles_) * kPanelWidth),
        input_matrix_(in_panels_ * panel_stride_ + kMatrixPad),
        gradient_matrix_(out_panels_ * panel_stride_ + kMatrixPad),
        zeros_(static_cast<std::size_t>(std::max(call.in_channels, call.out_channels))),
        input_(static_cast<std::size_t>(kWinogradMatrices * input_matrix_)),
        gradient_(static_cast<std::size_t>(kWinogradMatrices * gradient_matrix_)),
        sums_(static_cast<std::size_t>(kWinogradMatrices) *
              static_cast<std::size_t>(out_panels_ * in_panels_ * kPanelWidth * kPanelWidth)) {
    std::memset(zeros_.data(), 0, zeros_.size() * sizeof(float));
  }

  void run() {
    for (std::int64_t first = 0; first < tiles_; first += kTilesAtOnce) {
      const std::int64_t count = std::min(kTilesAtOnce, tiles_ - first);
      transform(first, count);
      multiply(count, first > 0);
    }
    finish();
  }

 private:
  // Pixel (y, x) of an image, or zeros outside it.
  const float* pixel(const float* images, int channels, std::int64_t image, std::int64_t y, std::int64_t x) const {
    if (y < 0 || y >= call_.height || x < 0 || x >= call_.width) return zeros_.data();
    return images + ((image * call_.height + y) * call_.width + x) * channels;
  }

  // Fills the panels, [matrix][panel][tile][kPanelWidth], with tiles first .. first + count.
  void transform(std::int64_t first, std::int64_t count) {
    parallel_for(0, count, 8, [&](std::int64_t begin, std::int64_t end) {
      std::array<const float*, kWinogradMatrices> window;
      std::array<const float*, static_cast<std::size_t>(kWinogradTile) * kWinogradTile> tile;
      for (std::int64_t t = begin; t < end; ++t) {
        const std::int64_t image = (first + t) / (down_ * across_);
        const std::int64_t top = (first + t) / across_ % down_ * kWinogradTile;
        const std::int64_t left = (first + t) % across_ * kWinogradTile;
        for (std::size_t i = 0; i < window.size(); ++i) {
          const auto y = static_cast<std::int64_t>(i) / kWinogradWindow;
          const auto x = static_cast<std::int64_t>(i) % kWinogradWindow;
          window[i] = pixel(call_.input, call_.in_channels, image, top + y - 1, left + x - 1);
        }
        for (std::size_t i = 0; i < tile.size(); ++i) {
          const auto y = static_cast<std::int64_t>(i) / kWinogradTile;
          const auto x = static_cast<std::int64_t>(i) % kWinogradTile;
          tile[i] = pixel(call_.output_gradient, call_.out_channels, image, top + y, left + x);
        }
        const std::ptrdiff_t at = t * kPanelWidth;
        input_transform_(window.data(), call_.in_channels, {input_.data() + at, input_matrix_, panel_stride_});
        gradient_transform_(tile.data(), call_.out_channels, {gradient_.data() + at, gradient_matrix_, panel_stride_});
      }
    });
  }

  // Makes or adds to the sums, [matrix][group of panels out][channel in][channels out of the group].
  void multiply(std::int64_t tiles, bool accumulate) {
    const int groups = (out_panels_ + ops_.panels_at_once - 1) / ops_.panels_at_once;
    const std::int64_t units = static_cast<std::int64_t>(kWinogradMatrices) * groups;
    parallel_for(0, units, 1, [&](std::int64_t begin, std::int64_t end) {
      PanelProduct product;
      product.a_by_depth = true;
      product.a_stride = kPanelWidth;
      product.panel_stride = panel_stride_;
      product.rows = kPanelWidth;
      product.depth = static_cast<int>(tiles);
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t matrix = unit / groups;
        const int panel = static_cast<int>(unit % groups) * ops_.panels_at_once;
        product.columns = group_width(panel);
        product.c_stride = product.residual_stride = product.columns;
        product.panel = gradient_.data() + matrix * gradient_matrix_ + panel * panel_stride_;
        for (int p = 0; p < in_panels_; ++p) {
          product.a = input_.data() + matrix * input_matrix_ + p * panel_stride_;
          product.c = sums_of(matrix, panel) + static_cast<std::ptrdiff_t>(p) * kPanelWidth * product.columns;
          // Added at the end rather than started from: a long sum's rounding error is that of its pieces' sums.
          product.residual = accumulate ? product.c : nullptr;
          ops_.multiply_panel(product);
        }
      }
    });
  }

  // Channels out of the group of panels that begins with this one.
  int group_width(int panel) const { return std::min(ops_.panels_at_once, out_panels_ - panel) * kPanelWidth; }

  // Of the group of panels that begins with this one.
  float* sums_of(std::int64_t matrix, int panel) {
    return sums_.data() + (matrix * out_panels_ + panel) * in_panels_ * kPanelWidth * kPanelWidth;
  }

  // From the sums to [K, C, 3, 3].
  void finish() {
    const std::ptrdiff_t matrix_stride = sums_of(1, 0) - sums_of(0, 0);
    parallel_for(0, static_cast<std::int64_t>(out_panels_) * in_panels_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const int out = static_cast<int>(i / in_panels_), in = static_cast<int>(i % in_panels_);
        const int first = out / ops_.panels_at_once * ops_.panels_at_once;  // of its group
        const int width = group_width(first);
        kernel_gradients_(sums_of(0, first) + in * kPanelWidth * width + (out - first) * kPanelWidth, matrix_stride,
                          width,
                          call_.weight_gradient + static_cast<std::ptrdiff_t>(out * call_.in_channels + in) *
                                                      kPanelWidth * kPositions,
                          static_cast<std::ptrdiff_t>(call_.in_channels) * kPositions);
      }
    });
  }

  const WeightGradientCall& call_;
  PanelOps ops_;
  decltype(&generic::winograd_input) input_transform_;
  decltype(&generic::winograd_gradient) gradient_transform_;
  decltype(&generic::winograd_kernel_gradients) kernel_gradients_;
  int in_panels_;
  int out_panels_;
  std::int64_t down_;  // tiles of an image
  std::int64_t across_;
  std::int64_t tiles_;  // of all images
  std::ptrdiff_t panel_stride_;
  std::ptrdiff_t input_matrix_;
  std::ptrdiff_t gradient_matrix_;
  AlignedFloats zeros_;
  AlignedFloats input_;
  AlignedFloats gradient_;
  AlignedFloats sums_;
};

}  // namespace

void convolution_weight_gradient(const WeightGradientCall& call, Isa isa) {
  FASTERMASK_CHECK(call.batch > 0 && call.height > 0 && call.width > 0 && call.in_channels > 0 &&
                       call.out_channels > 0 && call.in_channels % kWinogradChannels == 0 &&
                       call.out_channels % kWinogradChannels == 0,
                   "convolution: impossible sizes: {} images of {} x {}, {} to {} channels", call.batch, call.height,
                   call.width, call.in_channels, call.out_channels);
  if (const Fp16GradientOps halves = fp16_gradient_ops();
      call.in_fp16 && isa == Isa::avx512 && halves.multiply != nullptr) {
    convolution_weight_gradient_fp16(call, halves);
    return;
  }
  WeightGradient(call, isa).run();
}

}  // namespace fastermask
