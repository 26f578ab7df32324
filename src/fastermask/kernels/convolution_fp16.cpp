// Weights for units that multiply float16 numbers. Each output channel's are divided by a power of two such that no sum
// of kFp16Depth of them, times numbers below kFp16Most, leaves float16's range.
#include <algorithm>
#include <memory>
#include <utility>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/fp16_packing.h"
#include "fastermask/kernels/winograd_kernel.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {

// A panel of one copy: one of Winograd's matrices, which have scales of their own, or all taps of a phase, which share
// theirs.
struct PackedConvolution::Fp16Panel {
  std::ptrdiff_t begin = 0;  // among panels, [copy][panel][depth / 2][kPanelWidth][2]
  std::ptrdiff_t depth = 0;
  std::ptrdiff_t scale = 0;
};

template <class Body>
void PackedConvolution::for_fp16_panels(const Body& body) const {
  const bool winograd = method_ == ConvolutionMethod::winograd;
  const int panels = panels_of(geometry_.out_channels);
  const int copies = winograd ? kWinogradMatrices : static_cast<int>(phases_.size());
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      for (int copy = 0; copy < copies; ++copy) {
        std::ptrdiff_t first = static_cast<std::ptrdiff_t>(copy) * panels * panel_floats_;
        std::ptrdiff_t depth = geometry_.in_channels;
        if (!winograd) {
          const Phase& phase = phases_[static_cast<std::size_t>(copy)];
          first = phase.panel_offset;
          depth *= static_cast<std::ptrdiff_t>(phase.taps.size());
        }
        body(Fp16Panel{first + panel * depth * kPanelWidth, depth,
                       ((winograd ? copy * panels : 0) + panel) * kPanelWidth});
      }
    }
  });
}

std::size_t PackedConvolution::fp16_scales() const {
  const int copies = method_ == ConvolutionMethod::winograd ? kWinogradMatrices : 1;
  return static_cast<std::size_t>(copies) * static_cast<std::size_t>(geometry_.out_channels);
}

void PackedConvolution::pack_fp16(const SharedHalves& weights) {
  const auto scale = std::make_shared<AlignedFloats>(fp16_scales());
  const auto memory = std::make_shared<AlignedFloats>((weights.size + 1) / 2);
  Fp16* const packed = reinterpret_cast<Fp16*>(memory->data());
  std::fill_n(scale->data(), scale->size(), 0.0f);
  for_fp16_panels([&](const Fp16Panel& panel) {
    fp16_ops_.raise_scales(weights.data.get() + panel.begin, panel.depth, geometry_.in_channels,
                           scale->data() + panel.scale);
  });
  for_fp16_panels([&](const Fp16Panel& panel) {
    fp16_ops_.pack_panel(weights.data.get() + panel.begin, panel.depth, scale->data() + panel.scale,
                         packed + panel.begin);
  });
  fp16_.scale = {std::shared_ptr<const float>(scale, scale->data()), scale->size()};
  fp16_.panels = {std::shared_ptr<const Fp16>(memory, packed), weights.size};
}

SharedHalves PackedConvolution::unpacked_fp16(const Fp16Weights& weights) const {
  const auto memory = std::make_shared<AlignedFloats>((weights.panels.size + 1) / 2);
  Bf16* const halves = reinterpret_cast<Bf16*>(memory->data());
  for_fp16_panels([&](const Fp16Panel& panel) {
    const Fp16* in = weights.panels.data.get() + panel.begin;
    const float* const scale = weights.scale.data.get() + panel.scale;
    Bf16* out = halves + panel.begin;
    for (std::ptrdiff_t k = 0; k < panel.depth; k += 2, in += 2 * kPanelWidth, out += 2 * kPanelWidth) {
      float pair[2 * kPanelWidth];
      for (int i = 0; i < 2 * kPanelWidth; ++i) pair[i] = to_float(in[i]) * scale[i / 2];
      narrow_to_bf16(pair, out, 2 * kPanelWidth);  // exact: they were bfloat16 numbers
    }
  });
  return {std::shared_ptr<const Bf16>(memory, halves), weights.panels.size};
}

PackedConvolution PackedConvolution::in_halves(const ConvolutionGeometry& geometry, const float* weight,
                                               const float* bias, ConvolutionMethod method, Isa isa) {
  PackedConvolution result(geometry, method, isa);
  const bool one_phase = !geometry.transposed || geometry.kernel == 1 || method == ConvolutionMethod::winograd;
  if (isa != Isa::avx512 || half_arithmetic() != HalfArithmetic::float16 || !result.fp16_fits() || !one_phase)
    return in_bf16(geometry, weight, bias, method, isa);
  result.arithmetic_ = HalfArithmetic::float16;
  result.fp16_ops_ = fp16_ops();
  result.pack_bias(bias);
  result.pack_fp16(weight);
  return result;
}

// Panel by panel: to float32 in this thread's memory, columns side by side, from there to float16.
void PackedConvolution::pack_fp16(const float* weight) {
  const Fp16PackingOps ops = fp16_packing_ops();
  const auto pack_kernels = FASTERMASK_PICK_COPY(winograd_pack_kernels, isa_);
  const bool winograd = method_ == ConvolutionMethod::winograd;
  const int panels = panels_of(geometry_.out_channels), channels = geometry_.in_channels;
  const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(geometry_.kernel) * geometry_.kernel;
  // From a panel to the next, of one matrix or of all taps.
  const std::ptrdiff_t panel_stride = winograd ? panel_floats_ : area * channels * kPanelWidth;
  const auto memory = std::make_shared<AlignedFloats>((weight_floats_ + 1) / 2);
  Fp16* const packed = reinterpret_cast<Fp16*>(memory->data());
  const auto scales = std::make_shared<AlignedFloats>(fp16_scales());
  std::fill_n(scales->data(), scales->size(), 0.0f);
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      Fp16* const out = packed + panel * panel_stride;
      float* const scale = scales->data() + panel * kPanelWidth;
      if (winograd) {
        float* const columns = thread_scratch(static_cast<std::size_t>(kWinogradMatrices * panel_floats_));
        pack_kernels(winograd_kernels(weight, channels, geometry_.out_channels, geometry_.transposed,
                                      panel * kPanelWidth),
                     channels, columns, panel_floats_);
        for (int i = 0; i < kWinogradMatrices; ++i) {
          ops.pack_columns(columns + i * panel_floats_, kPanelWidth, channels, channels,
                           scale + i * panels * kPanelWidth, out + i * panels * panel_floats_);
        }
      } else if (geometry_.transposed) {
        ops.pack_columns(weight + panel * kPanelWidth, geometry_.out_channels, channels, channels, scale, out);
      } else {
        const std::ptrdiff_t depth = area * channels;
        float* const columns = thread_scratch(static_cast<std::size_t>(depth * kPanelWidth));
        const float* const rows = weight + panel * kPanelWidth * depth;
        if (area == 1) {
          ops.transpose(rows, depth, depth, columns);
        } else {
          float* column = columns;
          for (const int position : phases_.front().positions) {
            for (int c = 0; c < channels; ++c) {
              for (int n = 0; n < kPanelWidth; ++n) *column++ = rows[n * depth + c * area + position];
            }
          }
        }
        ops.pack_columns(columns, kPanelWidth, depth, channels, scale, out);
      }
    }
  });
  fp16_.scale = {std::shared_ptr<const float>(scales, scales->data()), scales->size()};
  fp16_.panels = {std::shared_ptr<const Fp16>(memory, packed), weight_floats_};
}

}  // namespace fastermask
