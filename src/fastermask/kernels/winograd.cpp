// The driver of Winograd's convolution: transform the windows of some tiles, 36 matrix products, transform back. Each
// thread does all three for its own tiles, so that the values in between stay in the caches it shares with few others.
#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/winograd_kernel.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {
namespace {

constexpr std::int64_t kTilesAtOnce = 96;
// Added to a matrix's size, so that the 36 values of a pixel do not fall into the same cache set.
constexpr std::ptrdiff_t kMatrixPad = 5 * 16;

// Where the tiles of a batch lie.
struct TileGrid {
  int height = 0;  // of the image
  int width = 0;
  std::int64_t down = 0;  // tiles of an image
  std::int64_t across = 0;
};

template <class Element>
auto input_transform_of(const HalfOps& half_ops, const Fp16Ops& fp16_ops, Isa isa) {
  static_cast<void>(half_ops), static_cast<void>(fp16_ops), static_cast<void>(isa);
  if constexpr (std::is_same_v<Element, Bf16>) {
    return half_ops.winograd_input;
  } else if constexpr (std::is_same_v<Element, Fp16>) {
    return fp16_ops.winograd_input;
  } else {
    return FASTERMASK_PICK_COPY(winograd_input, isa);
  }
}

}  // namespace

// [matrix][panel][C][kPanelWidth]
void PackedConvolution::pack_winograd(const float* weight, float* packed) const {
  const int panels = panels_of(geometry_.out_channels);
  const auto pack = FASTERMASK_PICK_COPY(winograd_pack_kernels, isa_);
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const WinogradKernels kernels = winograd_kernels(weight, geometry_.in_channels, geometry_.out_channels,
                                                       geometry_.transposed, panel * kPanelWidth);
      pack(kernels, geometry_.in_channels, packed + panel * panel_floats_, panels * panel_floats_);
    }
  });
}

template <class Element>
void PackedConvolution::run_winograd(const ConvolutionCall& call) const {
  const auto& g = geometry_;
  const TileGrid grid{g.output_size(call.height), g.output_size(call.width),
                      (g.output_size(call.height) + 3) / 4, (g.output_size(call.width) + 3) / 4};
  const std::int64_t tiles = call.batch * grid.down * grid.across;
  if (tiles == 0) return;
  const auto input_transform = input_transform_of<Element>(half_ops_, fp16_ops_, isa_);
  const auto output_transform = FASTERMASK_PICK_COPY(winograd_output, isa_);
  const int panel_count = panels_of(g.out_channels);
  const std::int64_t threads = num_threads();
  const std::int64_t wanted = (tiles + kTilesAtOnce - 1) / kTilesAtOnce;
  const std::int64_t chunks = std::min(tiles, (wanted + threads - 1) / threads * threads);
  // Equal chunks; where there are many, whole multiples of the rows that a product computes together.
  std::int64_t each = (tiles + chunks - 1) / chunks;
  if (chunks >= 4 * threads) each = (each + rows_at_once() - 1) / rows_at_once() * rows_at_once();
  parallel_for(0, (tiles + each - 1) / each, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t largest = each;
    const std::ptrdiff_t in_matrix = largest * g.in_channels + kMatrixPad;
    const std::ptrdiff_t out_matrix = largest * g.out_channels + kMatrixPad;
    float* const products =
        thread_scratch(static_cast<std::size_t>(kWinogradMatrices * (in_matrix + out_matrix) + largest));
    float* const scales = products + kWinogradMatrices * (in_matrix + out_matrix);  // [tile] of float16
    auto* const values = reinterpret_cast<Element*>(products + kWinogradMatrices * out_matrix);
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = each * chunk;
      const std::int64_t count = std::min(each, tiles - first);
      for (std::int64_t t = 0; t < count; ++t) {
        const std::int64_t image = (first + t) / (grid.down * grid.across);
        const std::int64_t top = (first + t) / grid.across % grid.down * kWinogradTile - g.padding;
        const std::int64_t left = (first + t) % grid.across * kWinogradTile - g.padding;
        std::array<const float*, kWinogradMatrices> pixels;
        for (int y = 0; y < kWinogradWindow; ++y) {
          for (int x = 0; x < kWinogradWindow; ++x) {
            const bool inside = top + y >= 0 && top + y < call.height && left + x >= 0 && left + x < call.width;
            pixels[static_cast<std::size_t>(y * kWinogradWindow + x)] =
                inside ? call.input + ((image * call.height + top + y) * call.width + left + x) * g.in_channels
                       : zeros_.data();
          }
        }
        if constexpr (std::is_same_v<Element, Fp16>) {
          scales[t] = input_transform(pixels.data(), g.in_channels, {values + t * g.in_channels, in_matrix});
        } else {
          input_transform(pixels.data(), g.in_channels, {values + t * g.in_channels, in_matrix});
        }
      }
      PanelProductOf<Element> product;
      product.a_stride = g.in_channels;
      product.c_stride = g.out_channels;
      product.panel_stride = panel_floats_;
      product.rows = static_cast<int>(count);
      product.depth = g.in_channels;
      product.row_scale = scales;
      for (int matrix = 0; matrix < kWinogradMatrices; ++matrix) {
        product.a = values + matrix * in_matrix;
        for (int panel = 0; panel < panel_count; panel += ops_.panels_at_once) {
          product.columns = std::min(ops_.panels_at_once * kPanelWidth, g.out_channels - panel * kPanelWidth);
          product.panel = panels<Element>() + (static_cast<std::ptrdiff_t>(matrix) * panel_count + panel) * panel_floats_;
          product.c = products + matrix * out_matrix + panel * kPanelWidth;
          if constexpr (std::is_same_v<Element, Fp16>) {
            product.scale =
                fp16_.scale.data.get() + (static_cast<std::ptrdiff_t>(matrix) * panel_count + panel) * kPanelWidth;
          }
          multiply(product);
        }
      }
      for (std::int64_t t = 0; t < count; ++t) {
        const std::int64_t image = (first + t) / (grid.down * grid.across);
        const std::int64_t top = (first + t) / grid.across % grid.down * kWinogradTile;
        const std::int64_t left = (first + t) % grid.across * kWinogradTile;
        std::array<float*, 16> pixels;
        std::array<const float*, 16> residuals, gates;
        for (int i = 0; i < 16; ++i) {
          const std::int64_t y = top + i / 4;
          const std::int64_t x = left + i % 4;
          const bool inside = y < grid.height && x < grid.width;
          const auto index = static_cast<std::size_t>(i);
          pixels[index] =
              inside ? call.output + ((image * grid.height + y) * grid.width + x) * g.out_channels : nullptr;
          if (call.gate != nullptr && inside) gates[index] = call.gate + (pixels[index] - call.output);
          if (call.residual == nullptr) continue;
          const int scale = call.residual_scale;
          residuals[index] = call.residual + ((image * (grid.height / scale) + y / scale) * (grid.width / scale) +
                                              x / scale) * g.out_channels;
        }
        output_transform(products + t * g.out_channels, out_matrix,
                         {g.out_channels, bias_.data.get(), call.residual == nullptr ? nullptr : residuals.data(),
                          call.relu, call.gate == nullptr ? nullptr : gates.data(), pixels.data()});
      }
    }
  });
}

template void PackedConvolution::run_winograd<float>(const ConvolutionCall& call) const;
template void PackedConvolution::run_winograd<Bf16>(const ConvolutionCall& call) const;
template void PackedConvolution::run_winograd<Fp16>(const ConvolutionCall& call) const;

}  // namespace fastermask
