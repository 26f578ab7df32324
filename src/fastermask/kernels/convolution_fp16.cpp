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

// From panels, [copy][panel][depth / 2][kPanelWidth][2], to pairs of them, [copy][panel / 2][depth][2 * kPanelWidth]. A
// copy is one of Winograd's matrices, which have scales of their own, or all taps of a phase, which share theirs.
void PackedConvolution::pack_fp16(const SharedHalves& weights) {
  const bool winograd = method_ == ConvolutionMethod::winograd;
  const int panels = panels_of(geometry_.out_channels);
  const int copies = winograd ? kWinogradMatrices : static_cast<int>(phases_.size());
  const auto memory = std::make_shared<AlignedFloats>((weights.size + 1) / 2);
  Fp16* const packed = reinterpret_cast<Fp16*>(memory->data());
  fp16_scale_.assign(static_cast<std::size_t>((winograd ? copies : 1) * panels * kPanelWidth), 0);
  // Where a panel begins, and its depth.
  const auto panel_at = [&](int copy, int panel) {
    std::ptrdiff_t first = static_cast<std::ptrdiff_t>(copy) * panels * panel_floats_, depth = geometry_.in_channels;
    if (!winograd) {
      const Phase& phase = phases_[static_cast<std::size_t>(copy)];
      first = phase.panel_offset;
      depth *= static_cast<std::ptrdiff_t>(phase.taps.size());
    }
    return std::pair(first + panel * depth * kPanelWidth, depth);
  };
  const auto scale_of = [&](int copy, int panel) {
    return fp16_scale_.data() + ((winograd ? copy * panels : 0) + panel) * kPanelWidth;
  };
  const auto for_panels = [&](auto body) {
    parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (int panel = static_cast<int>(begin); panel < end; ++panel) {
        for (int copy = 0; copy < copies; ++copy) body(copy, panel);
      }
    });
  };
  for_panels([&](int copy, int panel) {
    const auto [offset, depth] = panel_at(copy, panel);
    fp16_ops_.raise_scales(weights.data.get() + offset, depth, geometry_.in_channels, scale_of(copy, panel));
  });
  for_panels([&](int copy, int panel) {
    const auto [offset, depth] = panel_at(copy, panel);
    fp16_ops_.pack_panel(weights.data.get() + offset, depth, scale_of(copy, panel),
                         packed + panel_at(copy, panel - panel % 2).first + panel % 2 * kPanelWidth);
  });
  fp16_panels_ = {memory, packed};
}

PackedConvolution PackedConvolution::in_halves(const ConvolutionGeometry& geometry, const float* weight,
                                               const float* bias, ConvolutionMethod method, Isa isa) {
  PackedConvolution result(geometry, method, isa);
  const bool one_phase = !geometry.transposed || geometry.kernel == 1;
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
  // From a pair of panels to the next, of one matrix or of all taps.
  const std::ptrdiff_t pair = winograd ? 2 * panel_floats_ : 2 * area * channels * kPanelWidth;
  const auto memory = std::make_shared<AlignedFloats>((weight_floats_ + 1) / 2);
  Fp16* const packed = reinterpret_cast<Fp16*>(memory->data());
  fp16_scale_.assign(static_cast<std::size_t>((winograd ? kWinogradMatrices : 1) * panels * kPanelWidth), 0);
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      Fp16* const out = packed + panel / 2 * pair + panel % 2 * kPanelWidth;
      float* const scale = fp16_scale_.data() + panel * kPanelWidth;
      if (winograd) {
        float* const columns = thread_scratch(static_cast<std::size_t>(kWinogradMatrices * panel_floats_));
        pack_kernels(weight + panel * kPanelWidth * channels * area, channels, columns, panel_floats_);
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
  fp16_panels_ = {memory, packed};
}

}  // namespace fastermask
