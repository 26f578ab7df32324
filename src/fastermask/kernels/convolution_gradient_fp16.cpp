// convolution_weight_gradient() from float16 numbers (fp16_gradient.h): as in convolution_gradient.cpp, some tiles at a
// time are transformed and laid down as panels, then 36 matrix products sum over them. A panel's kFp16GradientDepth
// tiles share a power of two in each matrix, so they are transformed to float32 first.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/aligned_floats.h"
#include "fastermask/kernels/convolution_gradient.h"
#include "fastermask/kernels/fp16_gradient.h"
#include "fastermask/kernels/winograd_kernel.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {
namespace {

constexpr int kKernelPositions = 9;
constexpr int kTilePixels = kWinogradTile * kWinogradTile;

// One of the two operands: panels [matrix][panel][tile][width] with scales [matrix][panel][part].
struct GradientOperand {
  const float* images = nullptr;  // [N, H, W, channels]
  int channels = 0;
  int width = 0;  // of a panel
  int panels = 0;
  AlignedFloats memory;
  std::vector<float> scales;

  Fp16* panel(int matrix, int panel, int tiles) {
    return reinterpret_cast<Fp16*>(memory.data()) +
           (static_cast<std::ptrdiff_t>(matrix) * panels + panel) * tiles * width;
  }
  float& scale(int matrix, int panel, int part, int parts) {
    return scales[static_cast<std::size_t>((matrix * panels + panel) * parts + part)];
  }
};

class Fp16WeightGradient {
 public:
  Fp16WeightGradient(const WeightGradientCall& call, const Fp16GradientOps& ops)
      : call_(call),
        ops_(ops),
        down_((call.height + kWinogradTile - 1) / kWinogradTile),
        across_((call.width + kWinogradTile - 1) / kWinogradTile),
        tiles_(call.batch * down_ * across_),
        parts_(parts_at_once()),
        tiles_at_once_(parts_ * kFp16GradientDepth),
        zeros_(static_cast<std::size_t>(std::max(call.in_channels, call.out_channels))) {
    input_.images = call.input;
    input_.channels = call.in_channels;
    input_.width = kFp16GradientRows;
    gradient_.images = call.output_gradient;
    gradient_.channels = call.out_channels;
    gradient_.width = kFp16GradientColumns;
    for (GradientOperand* operand : {&input_, &gradient_}) {
      operand->panels = (operand->channels + operand->width - 1) / operand->width;
      const int all = kWinogradMatrices * operand->panels;
      operand->memory =
          AlignedFloats(static_cast<std::size_t>(all * operand->width) * static_cast<std::size_t>(tiles_at_once_) / 2);
      operand->scales.resize(static_cast<std::size_t>(all * parts_));
    }
    sums_stride_ = gradient_.panels * kFp16GradientColumns;
    sums_matrix_ = static_cast<std::ptrdiff_t>(call.in_channels) * sums_stride_;
    sums_ = AlignedFloats(static_cast<std::size_t>(kWinogradMatrices * sums_matrix_));
    std::fill_n(zeros_.data(), zeros_.size(), 0.0f);
  }

  void run() {
    for (std::int64_t first = 0; first < tiles_; first += tiles_at_once_) {
      const int count = static_cast<int>(std::min<std::int64_t>(tiles_at_once_, tiles_ - first));
      transform(first, count);
      multiply(count, first > 0);
    }
    finish();
  }

 private:
  static constexpr int kMostParts = 8;
  static constexpr std::int64_t kNumbersAtOnce = std::int64_t{10}
                                                 << 20;  // transformed: a few cores' second-level caches
  static constexpr int kChannelsTogether = 128;  // that a thread transforms, for whose tiles it finds the pixels once

  int parts_at_once() const {
    const std::int64_t part =
        static_cast<std::int64_t>(kWinogradMatrices) * kFp16GradientDepth * (call_.in_channels + call_.out_channels);
    const std::int64_t all = (tiles_ + kFp16GradientDepth - 1) / kFp16GradientDepth;
    return static_cast<int>(std::min(std::clamp<std::int64_t>(kNumbersAtOnce / part, 1, kMostParts), all));
  }

  // The first channel of pixel (y, x) of an image, or zeros outside it.
  const float* pixel(const GradientOperand& operand, std::int64_t image, std::int64_t y, std::int64_t x) const {
    if (y < 0 || y >= call_.height || x < 0 || x >= call_.width) return zeros_.data();
    return operand.images + ((image * call_.height + y) * call_.width + x) * operand.channels;
  }

  // The pixels of a tile's window, or of the tile itself.
  template <std::size_t kCount>
  void find_pixels(const GradientOperand& operand, std::int64_t tile, std::array<const float*, kCount>& pixels) const {
    constexpr bool kWindow = kCount == kWinogradMatrices;
    constexpr auto kSide = static_cast<std::int64_t>(kWindow ? kWinogradWindow : kWinogradTile);
    const std::int64_t image = tile / (down_ * across_);
    const std::int64_t top = tile / across_ % down_ * kWinogradTile - (kWindow ? 1 : 0);
    const std::int64_t left = tile % across_ * kWinogradTile - (kWindow ? 1 : 0);
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto at = static_cast<std::int64_t>(i);
      pixels[i] = pixel(operand, image, top + at / kSide, left + at % kSide);
    }
  }

  // Some channels of the tiles of one part, which begins at `tile`.
  template <std::size_t kCount, class Transform>
  void transform_part(GradientOperand& operand, Transform to_domain, std::int64_t tile, int part, int count,
                      int first_channel) {
    const int channels = std::min(kChannelsTogether, operand.channels - first_channel);
    // A panel's values, [matrix][tile][width]; a little more, so that the matrices do not meet in one cache set.
    const std::ptrdiff_t matrix = static_cast<std::ptrdiff_t>(kFp16GradientDepth) * operand.width + 5 * kPanelWidth;
    float* const values = thread_scratch(static_cast<std::size_t>(kWinogradMatrices * matrix));
    std::vector<std::array<const float*, kCount>> pixels(static_cast<std::size_t>(count));
    for (int t = 0; t < count; ++t) find_pixels(operand, tile + t, pixels[static_cast<std::size_t>(t)]);
    for (int done = 0; done < channels; done += operand.width) {
      const int width = std::min(operand.width, channels - done), channel = first_channel + done;
      for (int t = 0; t < count; ++t) {
        std::array<const float*, kCount> at = pixels[static_cast<std::size_t>(t)];
        for (const float*& pixel : at) pixel += channel;
        to_domain(at.data(), width, {values + static_cast<std::ptrdiff_t>(t) * operand.width, matrix});
      }
      const int panel = channel / operand.width;
      for (int i = 0; i < kWinogradMatrices; ++i) {
        operand.scale(i, panel, part, parts_) =
            ops_.pack(values + i * matrix, operand.width, count, width, operand.width,
                      operand.panel(i, panel, tiles_at_once_) + part * kFp16GradientDepth * operand.width);
      }
    }
  }

  void transform(std::int64_t first, int count) {
    const auto of_input = FASTERMASK_PICK_COPY(winograd_input, Isa::avx512);
    const auto of_gradient = FASTERMASK_PICK_COPY(winograd_gradient, Isa::avx512);
    const auto shares_of = [](const GradientOperand& operand) {
      return (operand.channels + kChannelsTogether - 1) / kChannelsTogether;
    };
    const int in_shares = shares_of(input_), shares = in_shares + shares_of(gradient_);
    const int parts = (count + kFp16GradientDepth - 1) / kFp16GradientDepth;
    parallel_for(0, static_cast<std::int64_t>(parts) * shares, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const int part = static_cast<int>(unit / shares), share = static_cast<int>(unit % shares);
        const int tiles = std::min(kFp16GradientDepth, count - part * kFp16GradientDepth);
        const std::int64_t tile = first + part * kFp16GradientDepth;
        if (share < in_shares) {
          transform_part<kWinogradMatrices>(input_, of_input, tile, part, tiles, share * kChannelsTogether);
        } else {
          transform_part<kTilePixels>(gradient_, of_gradient, tile, part, tiles,
                                      (share - in_shares) * kChannelsTogether);
        }
      }
    });
  }

  // Makes or adds to the sums, [matrix][channel in][channel out].
  void multiply(int count, bool accumulate) {
    const std::int64_t units = static_cast<std::int64_t>(kWinogradMatrices) * gradient_.panels;
    parallel_for(0, units, 1, [&](std::int64_t begin, std::int64_t end) {
      Fp16GradientProduct product;
      product.stride = sums_stride_;
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const int matrix = static_cast<int>(unit / gradient_.panels), out = static_cast<int>(unit % gradient_.panels);
        for (int in = 0; in < input_.panels; ++in) {
          product.sums = sums_.data() + matrix * sums_matrix_ +
                         static_cast<std::ptrdiff_t>(in) * kPanelWidth * sums_stride_ + out * kFp16GradientColumns;
          product.accumulate = accumulate;
          for (int part = 0; part * kFp16GradientDepth < count; ++part) {
            product.depth = std::min(kFp16GradientDepth, count - part * kFp16GradientDepth);
            product.rows = input_.panel(matrix, in, tiles_at_once_) + part * kFp16GradientDepth * kFp16GradientRows;
            product.columns =
                gradient_.panel(matrix, out, tiles_at_once_) + part * kFp16GradientDepth * kFp16GradientColumns;
            product.scale = input_.scale(matrix, in, part, parts_) * gradient_.scale(matrix, out, part, parts_);
            ops_.multiply(product);
            product.accumulate = true;
          }
        }
      }
    });
  }

  // From the sums to [K, C, 3, 3].
  void finish() {
    const auto kernel_gradients = FASTERMASK_PICK_COPY(winograd_kernel_gradients, Isa::avx512);
    const std::int64_t out_panels = call_.out_channels / kPanelWidth;
    parallel_for(0, out_panels * input_.panels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t out = i / input_.panels, in = i % input_.panels;
        kernel_gradients(sums_.data() + in * kPanelWidth * sums_stride_ + out * kPanelWidth, sums_matrix_, sums_stride_,
                         call_.weight_gradient + (out * call_.in_channels + in) * kPanelWidth * kKernelPositions,
                         static_cast<std::ptrdiff_t>(call_.in_channels) * kKernelPositions);
      }
    });
  }

  const WeightGradientCall& call_;
  Fp16GradientOps ops_;
  std::int64_t down_;  // tiles of an image
  std::int64_t across_;
  std::int64_t tiles_;  // of all images
  int parts_;           // of kFp16GradientDepth tiles, that are transformed at once
  int tiles_at_once_;
  AlignedFloats zeros_;
  GradientOperand input_;
  GradientOperand gradient_;
  std::ptrdiff_t sums_stride_ = 0;
  std::ptrdiff_t sums_matrix_ = 0;
  AlignedFloats sums_;
};

}  // namespace

void convolution_weight_gradient_fp16(const WeightGradientCall& call, const Fp16GradientOps& ops) {
  Fp16WeightGradient(call, ops).run();
}

}  // namespace fastermask
