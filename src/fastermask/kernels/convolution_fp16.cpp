// Weights for units that multiply float16 numbers. Each output channel's are divided by a power of two such that no sum
// of kFp16Depth of them, times numbers below kFp16Most, leaves float16's range.
#include <algorithm>
#include <memory>
#include <utility>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_blocks.h"
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

}  // namespace fastermask
