// Weights for units that multiply float16 numbers. Each output channel's are divided by a power of two such that no sum of
// kFp16Depth of them, times numbers within +-kFp16Most, leaves float16's range.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {
namespace {

float widened(Bf16 half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half.bits) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Rounded to the nearest, ties to even; for numbers within +-1 and NaN.
Fp16 narrowed(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  if (std::isnan(value)) return {static_cast<std::uint16_t>(sign | 0x7e00u)};
  const float size = std::fabs(value);
  // Steps of 2^-24 below 2^-14, and of 2^-10 of the power of two above.
  const int exponent = std::max(size > 0 ? std::ilogb(size) : -14, -14);
  const auto steps = static_cast<int>(std::lrint(std::ldexp(size, 10 - exponent)));  // 1024 .. 2048 when normal
  return {static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + steps))};
}

// Weights [depth / 2, kPanelWidth, 2] of one panel.
struct HalfPanel {
  const Bf16* weights;
  float at(std::int64_t k, int n) const { return widened(weights[(k / 2 * kPanelWidth + n) * 2 + k % 2]); }
};

// The smallest power of two that no sum over kFp16Depth sizes of column n exceeds.
float column_scale(const HalfPanel& panel, std::int64_t depth, std::int64_t tap_depth, int n) {
  float most = 0, sum = 0;
  for (std::int64_t k = 0; k < depth; ++k) {
    if (k % tap_depth % kFp16Depth == 0) sum = 0;
    sum += std::fabs(panel.at(k, n));
    most = std::max(most, sum);
  }
  return most > 0 && std::isfinite(most) ? std::ldexp(1.0f, std::ilogb(most) + 1) : 1.0f;
}

}  // namespace

// From panels, [unit][depth / 2][kPanelWidth][2], to pairs of them, [unit / 2][depth][2 * kPanelWidth]. A unit is a panel of
// one of Winograd's matrices, or with all taps of a phase.
void PackedConvolution::pack_fp16(const SharedHalves& weights) {
  const bool winograd = method_ == ConvolutionMethod::winograd;
  const int panels = panels_of(geometry_.out_channels);
  const auto memory = std::make_shared<AlignedFloats>((weights.size + 1) / 2);
  Fp16* const packed = reinterpret_cast<Fp16*>(memory->data());
  const int copies = winograd ? kWinogradMatrices : static_cast<int>(phases_.size());
  fp16_scale_.assign(static_cast<std::size_t>(winograd ? copies : 1) * static_cast<std::size_t>(panels * kPanelWidth), 0);
  const auto panel_of = [&](int copy, int panel) {
    const std::ptrdiff_t depth = winograd ? geometry_.in_channels
                                          : static_cast<std::ptrdiff_t>(phases_[copy].taps.size()) * geometry_.in_channels;
    const std::ptrdiff_t first = winograd ? static_cast<std::ptrdiff_t>(copy) * panels * panel_floats_
                                          : phases_[copy].panel_offset;
    return std::pair(first + panel * depth * kPanelWidth, depth);
  };
  // A scale for each of Winograd's matrices; phases share theirs.
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (int panel = static_cast<int>(begin); panel < end; ++panel) {
      for (int copy = 0; copy < copies; ++copy) {
        const auto [offset, depth] = panel_of(copy, panel);
        float* const scale = fp16_scale_.data() + (winograd ? copy * panels + panel : panel) * kPanelWidth;
        for (int n = 0; n < kPanelWidth; ++n) {
          const HalfPanel values{weights.data.get() + offset};
          scale[n] = std::max(scale[n], column_scale(values, depth, geometry_.in_channels, n));
        }
      }
    }
  });
  parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (int panel = static_cast<int>(begin); panel < end; ++panel) {
      for (int copy = 0; copy < copies; ++copy) {
        const auto [offset, depth] = panel_of(copy, panel);
        const HalfPanel values{weights.data.get() + offset};
        const float* const scale = fp16_scale_.data() + (winograd ? copy * panels + panel : panel) * kPanelWidth;
        Fp16* out = packed + panel_of(copy, panel - panel % 2).first + panel % 2 * kPanelWidth;
        for (std::int64_t k = 0; k < depth; ++k, out += 2 * kPanelWidth) {
          for (int n = 0; n < kPanelWidth; ++n) out[n] = narrowed(values.at(k, n) / scale[n]);
        }
      }
    }
  });
  fp16_panels_ = {memory, packed};
}

}  // namespace fastermask
