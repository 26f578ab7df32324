// The weight's gradient in Winograd's domain (arXiv:1509.09308, section 4.1's transforms read backwards): the input's
// windows and the output gradient's tiles are transformed, 36 matrix products sum over the tiles, and the sums are
// transformed to the nine kernel positions once, at the end. Some tiles at a time, so that what the products read stays
// in the caches. Two ways: WeightGradient in float32, and HalfWeightGradient in float16.
#include "fastermask/kernels/convolution_gradient.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <utility>

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
constexpr std::int64_t kHalfTilesAtOnce = 512;  // whose panels stay in a second-level cache
constexpr int kPositions = 9;
// Added to a matrix's size, so that the 36 values of a pixel do not fall into the same cache set.
constexpr std::ptrdiff_t kMatrixPad = 5 * 16;
constexpr std::ptrdiff_t kHalfMatrixPad = 5 * 32;  // whole cache lines, too

// Where the tiles lie, and the sums of their products: [matrix][group of panels out][channel in][channels out of the
// group].
class GradientTiles {
 public:
  using Window = std::array<const float*, kWinogradMatrices>;
  using Tile = std::array<const float*, static_cast<std::size_t>(kWinogradTile) * kWinogradTile>;

  GradientTiles(const WeightGradientCall& call, Isa isa, int panels_together)
      : call_(call),
        kernel_gradients_(FASTERMASK_PICK_COPY(winograd_kernel_gradients, isa)),
        panels_together_(panels_together),
        in_panels_(panels_of(call.in_channels)),
        out_panels_(panels_of(call.out_channels)),
        down_((call.height + kWinogradTile - 1) / kWinogradTile),
        across_((call.width + kWinogradTile - 1) / kWinogradTile),
        zeros_(static_cast<std::size_t>(std::max(call.in_channels, call.out_channels))),
        sums_(static_cast<std::size_t>(kWinogradMatrices) *
              static_cast<std::size_t>(out_panels_ * in_panels_ * kPanelWidth * kPanelWidth)) {
    std::memset(zeros_.data(), 0, zeros_.size() * sizeof(float));
  }

  std::int64_t count() const { return call_.batch * down_ * across_; }
  int in_panels() const { return in_panels_; }
  int out_panels() const { return out_panels_; }
  int groups() const { return (out_panels_ + panels_together_ - 1) / panels_together_; }

  // The pixels of tile t; outside the images zeros.
  void find(std::int64_t t, Window& window, Tile& tile) const {
    const std::int64_t image = t / (down_ * across_);
    const std::int64_t top = t / across_ % down_ * kWinogradTile;
    const std::int64_t left = t % across_ * kWinogradTile;
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
  }

  // Channels out of a group.
  int group_width(int group) const {
    return std::min(panels_together_, out_panels_ - group * panels_together_) * kPanelWidth;
  }
  float* sums_of(std::int64_t matrix, int group, int in_panel) {
    return sums_.data() + (matrix * out_panels_ + group * panels_together_) * in_panels_ * kPanelWidth * kPanelWidth +
           static_cast<std::ptrdiff_t>(in_panel) * kPanelWidth * group_width(group);
  }

  // From the sums to [K, C, 3, 3].
  void finish() {
    const std::ptrdiff_t matrix_stride = sums_of(1, 0, 0) - sums_of(0, 0, 0);
    parallel_for(0, static_cast<std::int64_t>(out_panels_) * in_panels_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const int out = static_cast<int>(i / in_panels_), in = static_cast<int>(i % in_panels_);
        const int group = out / panels_together_;
        kernel_gradients_(sums_of(0, group, in) + (out - group * panels_together_) * kPanelWidth, matrix_stride,
                          group_width(group),
                          call_.weight_gradient + static_cast<std::ptrdiff_t>(out * call_.in_channels + in) *
                                                      kPanelWidth * kPositions,
                          static_cast<std::ptrdiff_t>(call_.in_channels) * kPositions);
      }
    });
  }

 private:
  const float* pixel(const float* images, int channels, std::int64_t image, std::int64_t y, std::int64_t x) const {
    if (y < 0 || y >= call_.height || x < 0 || x >= call_.width) return zeros_.data();
    return images + ((image * call_.height + y) * call_.width + x) * channels;
  }

  const WeightGradientCall& call_;
  decltype(&generic::winograd_kernel_gradients) kernel_gradients_;
  int panels_together_;
  int in_panels_;
  int out_panels_;
  std::int64_t down_;  // tiles of an image
  std::int64_t across_;
  AlignedFloats zeros_;
  AlignedFloats sums_;
};

class WeightGradient {
 public:
  WeightGradient(const WeightGradientCall& call, Isa isa)
      : call_(call),
        ops_(panel_ops(isa)),
        input_transform_(FASTERMASK_PICK_COPY(winograd_input, isa)),
        gradient_transform_(FASTERMASK_PICK_COPY(winograd_gradient, isa)),
        tiles_(call, isa, ops_.panels_at_once),
        panel_stride_(std::min(kTilesAtOnce, tiles_.count()) * kPanelWidth),
        input_matrix_(tiles_.in_panels() * panel_stride_ + kMatrixPad),
        gradient_matrix_(tiles_.out_panels() * panel_stride_ + kMatrixPad),
        input_(static_cast<std::size_t>(kWinogradMatrices * input_matrix_)),
        gradient_(static_cast<std::size_t>(kWinogradMatrices * gradient_matrix_)) {}

  void run() {
    for (std::int64_t first = 0; first < tiles_.count(); first += kTilesAtOnce) {
      const std::int64_t count = std::min(kTilesAtOnce, tiles_.count() - first);
      transform(first, count);
      multiply(count, first > 0);
    }
    tiles_.finish();
  }

 private:
  // Fills the panels, [matrix][panel][tile][kPanelWidth], with tiles first .. first + count.
  void transform(std::int64_t first, std::int64_t count) {
    parallel_for(0, count, 8, [&](std::int64_t begin, std::int64_t end) {
      GradientTiles::Window window;
      GradientTiles::Tile tile;
      for (std::int64_t t = begin; t < end; ++t) {
        tiles_.find(first + t, window, tile);
        const std::ptrdiff_t at = t * kPanelWidth;
        input_transform_(window.data(), call_.in_channels, {input_.data() + at, input_matrix_, panel_stride_});
        gradient_transform_(tile.data(), call_.out_channels, {gradient_.data() + at, gradient_matrix_, panel_stride_});
      }
    });
  }

  // Makes or adds to the sums.
  void multiply(std::int64_t tiles, bool accumulate) {
    const int groups = tiles_.groups();
    parallel_for(0, static_cast<std::int64_t>(kWinogradMatrices) * groups, 1,
                 [&](std::int64_t begin, std::int64_t end) {
      PanelProduct product;
      product.a_by_depth = true;
      product.a_stride = kPanelWidth;
      product.panel_stride = panel_stride_;
      product.rows = kPanelWidth;
      product.depth = static_cast<int>(tiles);
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t matrix = unit / groups;
        const int group = static_cast<int>(unit % groups);
        product.columns = tiles_.group_width(group);
        product.c_stride = product.residual_stride = product.columns;
        product.panel = gradient_.data() + matrix * gradient_matrix_ + group * ops_.panels_at_once * panel_stride_;
        for (int p = 0; p < tiles_.in_panels(); ++p) {
          product.a = input_.data() + matrix * input_matrix_ + p * panel_stride_;
          product.c = tiles_.sums_of(matrix, group, p);
          // Added at the end rather than started from: a long sum's rounding error is that of its pieces' sums.
          product.residual = accumulate ? product.c : nullptr;
          ops_.multiply_panel(product);
        }
      }
    });
  }

  const WeightGradientCall& call_;
  PanelOps ops_;
  decltype(&generic::winograd_input) input_transform_;
  decltype(&generic::winograd_gradient) gradient_transform_;
  GradientTiles tiles_;
  std::ptrdiff_t panel_stride_;
  std::ptrdiff_t input_matrix_;
  std::ptrdiff_t gradient_matrix_;
  AlignedFloats input_;
  AlignedFloats gradient_;
};

class HalfWeightGradient {
 public:
  HalfWeightGradient(const WeightGradientCall& call, Isa isa)
      : call_(call),
        ops_(fp16_gradient_ops()),
        tiles_(call, isa, kTogether),
        panel_stride_(std::min(kHalfTilesAtOnce, tiles_.count()) * kPanelWidth),
        input_matrix_(tiles_.in_panels() * panel_stride_ + kHalfMatrixPad),
        gradient_matrix_(tiles_.out_panels() * panel_stride_ + kHalfMatrixPad),
        memory_(static_cast<std::size_t>(kWinogradMatrices * (input_matrix_ + gradient_matrix_) / 2)),
        gradient_(reinterpret_cast<Fp16*>(memory_.data())),
        input_(gradient_ + kWinogradMatrices * gradient_matrix_) {}

  static bool suits(const WeightGradientCall& call, Isa isa) {
    return isa == Isa::avx512 && fp16_gradients_pay() &&
           call.out_channels % (kTogether * kPanelWidth) == 0;
  }

  void run() {
    for (std::int64_t first = 0; first < tiles_.count(); first += kHalfTilesAtOnce) {
      const std::int64_t count = std::min(kHalfTilesAtOnce, tiles_.count() - first);
      const auto [input_power, gradient_power] = powers_for(first, count);
      transform(first, count, input_power, gradient_power);
      multiply(count, 1 / input_power / gradient_power, first > 0);
    }
    tiles_.finish();
  }

 private:
  static constexpr int kTogether = kFp16GradientColumns / kPanelWidth;

  // Which keep the products of these tiles inside float16's range. (They read what the transforms read next.)
  std::pair<float, float> powers_for(std::int64_t first, std::int64_t count) const {
    std::mutex mutex;
    float input_size = 0, gradient_size = 0;
    parallel_for(0, count, 8, [&](std::int64_t begin, std::int64_t end) {
      GradientTiles::Window window;
      GradientTiles::Tile tile;
      float in = 0, out = 0;
      for (std::int64_t t = begin; t < end; ++t) {
        tiles_.find(first + t, window, tile);
        for (const float* const pixel : window) in = std::max(in, ops_.largest(pixel, call_.in_channels));
        for (const float* const pixel : tile) out = std::max(out, ops_.largest(pixel, call_.out_channels));
      }
      const std::lock_guard<std::mutex> lock(mutex);
      input_size = std::max(input_size, in);
      gradient_size = std::max(gradient_size, out);
    });
    return {fp16_power_for(input_size, kFp16LeftExponent - kWindowGrowthExponent),
            fp16_power_for(gradient_size, kFp16RightExponent - kTileGrowthExponent)};
  }

  // Fills the panels: of the input [matrix][panel][tile][kPanelWidth], of the gradient
  // [matrix][pair of panels][tile][2 * kPanelWidth].
  void transform(std::int64_t first, std::int64_t count, float input_power, float gradient_power) {
    parallel_for(0, count, 8, [&](std::int64_t begin, std::int64_t end) {
      GradientTiles::Window window;
      GradientTiles::Tile tile;
      for (std::int64_t t = begin; t < end; ++t) {
        tiles_.find(first + t, window, tile);
        ops_.window(window.data(), call_.in_channels, input_power,
                    {input_ + t * kPanelWidth, input_matrix_, panel_stride_});
        ops_.tile(tile.data(), call_.out_channels, gradient_power,
                  {gradient_ + t * kTogether * kPanelWidth, gradient_matrix_, kTogether * panel_stride_});
      }
    });
  }

  void multiply(std::int64_t tiles, float scale, bool accumulate) {
    const int groups = tiles_.groups();
    parallel_for(0, static_cast<std::int64_t>(kWinogradMatrices) * groups, 1,
                 [&](std::int64_t begin, std::int64_t end) {
      Fp16DepthProduct product;
      product.left_stride = kPanelWidth;
      product.rows = kPanelWidth;
      product.depth = static_cast<int>(tiles);
      product.scale = scale;
      product.c_stride = kTogether * kPanelWidth;
      product.accumulate = accumulate;
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t matrix = unit / groups;
        const int group = static_cast<int>(unit % groups);
        product.right = gradient_ + matrix * gradient_matrix_ + group * kTogether * panel_stride_;
        for (int p = 0; p < tiles_.in_panels(); ++p) {
          product.left = input_ + matrix * input_matrix_ + p * panel_stride_;
          product.c = tiles_.sums_of(matrix, group, p);
          ops_.multiply(product);
        }
      }
    });
  }

  const WeightGradientCall& call_;
  Fp16GradientOps ops_;
  GradientTiles tiles_;
  std::ptrdiff_t panel_stride_;
  std::ptrdiff_t input_matrix_;
  std::ptrdiff_t gradient_matrix_;
  AlignedFloats memory_;
  Fp16* gradient_;
  Fp16* input_;
};

}  // namespace

void convolution_weight_gradient(const WeightGradientCall& call, Isa isa) {
  FASTERMASK_CHECK(call.batch > 0 && call.height > 0 && call.width > 0 && call.in_channels > 0 &&
                       call.out_channels > 0 && call.in_channels % kWinogradChannels == 0 &&
                       call.out_channels % kWinogradChannels == 0,
                   "convolution: impossible sizes: {} images of {} x {}, {} to {} channels", call.batch, call.height,
                   call.width, call.in_channels, call.out_channels);
  if (call.in_16_bits && HalfWeightGradient::suits(call, isa)) return HalfWeightGradient(call, isa).run();
  WeightGradient(call, isa).run();
}

}  // namespace fastermask
