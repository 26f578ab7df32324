// Weights laid out as the matrix product reads them: done once, when a network is loaded or compiled.
#include <algorithm>
#include <memory>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/tile_units.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {
namespace {

// Up to this many floats of a kernel row, a row is taken as one pixel with that many channels.
constexpr int kNarrowDepth = 64;

void check_geometry(const ConvolutionGeometry& g) {
  FASTERMASK_CHECK(
      g.in_channels > 0 && g.out_channels > 0 && g.kernel > 0 && g.stride > 0 && g.padding >= 0 && g.dilation > 0 &&
          g.groups > 0 && g.in_channels % g.groups == 0 && g.out_channels % g.groups == 0 &&
          (!g.transposed || (g.groups == 1 && g.dilation == 1)),
      "convolution: impossible geometry: {} to {} channels, kernel {}, stride {}, padding {}, dilation {}, "
      "groups {}, transposed {}",
      g.in_channels, g.out_channels, g.kernel, g.stride, g.padding, g.dilation, g.groups, g.transposed);
}

SharedFloats share(AlignedFloats floats) {
  const auto owner = std::make_shared<AlignedFloats>(std::move(floats));
  return {std::shared_ptr<const float>(owner, owner->data()), owner->size()};
}

// Memory for bfloat16 numbers, 64-byte aligned.
class HalvesOwner {
 public:
  explicit HalvesOwner(std::size_t size)
      : floats_(std::make_shared<AlignedFloats>((size + 1) / 2)),
        halves_(reinterpret_cast<Bf16*>(floats_->data())),
        size_(size) {}

  Bf16* data() { return halves_; }
  SharedHalves share() const { return {std::shared_ptr<const Bf16>(floats_, halves_), size_}; }

 private:
  std::shared_ptr<AlignedFloats> floats_;
  Bf16* halves_;
  std::size_t size_;
};

// Each 2 * kPanelWidth numbers, as rows of `width`, turned into columns: [2, kPanelWidth] to [kPanelWidth, 2] and back.
void swap_pairs(const Bf16* in, Bf16* out, std::size_t count, int width) {
  constexpr std::int64_t kUnit = 2 * kPanelWidth;
  const std::int64_t height = kUnit / width;
  parallel_for(0, static_cast<std::int64_t>(count) / kUnit, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      for (std::int64_t i = 0; i < kUnit; ++i)
        out[unit * kUnit + i % width * height + i / width] = in[unit * kUnit + i];
    }
  });
}

}  // namespace

int ConvolutionGeometry::output_size(int size) const {
  const int reach = dilation * (kernel - 1) + 1;
  if (transposed) return (size - 1) * stride - 2 * padding + kernel;
  return size + 2 * padding < reach ? 0 : (size + 2 * padding - reach) / stride + 1;
}

bool PackedConvolution::winograd_fits(const ConvolutionGeometry& g) {
  // A transposed convolution of stride 1 is a plain one of padding 2 - padding whose kernels are turned.
  return g.kernel == 3 && g.stride == 1 && g.dilation == 1 && g.groups == 1 && (!g.transposed || g.padding == 1) &&
         g.in_channels % kWinogradChannels == 0 && g.out_channels % kWinogradChannels == 0;
}

ConvolutionMethod PackedConvolution::method_in_bf16(const ConvolutionGeometry& geometry) {
  const bool tiles = half_arithmetic() == HalfArithmetic::bfloat16 && tiles_work();
  return winograd_fits(geometry) && !tiles ? ConvolutionMethod::winograd : ConvolutionMethod::direct;
}

bool PackedConvolution::residual_in_place() const {
  return method_ == ConvolutionMethod::winograd || (geometry_.kernel == 1 && geometry_.in_channels <= kMaxDepth);
}

PackedConvolution::PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method, Isa isa)
    : geometry_(geometry), method_(method), isa_(isa), ops_(panel_ops(isa)) {
  lay_out();
}

void PackedConvolution::pack_bias(const float* bias) {
  const int group_out = geometry_.out_channels / geometry_.groups;
  const int group_padded = panels_of(group_out) * kPanelWidth;
  AlignedFloats packed_bias(bias_floats_);
  std::fill_n(packed_bias.data(), packed_bias.size(), 0.0f);
  for (int k = 0; bias != nullptr && k < geometry_.out_channels; ++k) {
    packed_bias.data()[k / group_out * group_padded + k % group_out] = bias[k];
  }
  bias_ = share(std::move(packed_bias));
}

PackedConvolution::PackedConvolution(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                                     ConvolutionMethod method, Isa isa)
    : PackedConvolution(geometry, method, isa) {
  pack_bias(bias);
  AlignedFloats packed(weight_floats_);
  if (method == ConvolutionMethod::winograd) {
    pack_winograd(weight, packed.data());
  } else if (narrow_) {
    pack_narrow(weight, packed.data());
  } else {
    pack_direct(weight, packed.data());
  }
  weights_ = share(std::move(packed));
}

PackedConvolution::PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method,
                                     SharedFloats weights, SharedFloats bias, Isa isa)
    : geometry_(geometry),
      method_(method),
      isa_(isa),
      ops_(panel_ops(isa)),
      weights_(std::move(weights)),
      bias_(std::move(bias)) {
  lay_out();
  FASTERMASK_CHECK(weights_.size == weight_floats_ && bias_.size == bias_floats_,
                   "convolution: packed weights and bias have {} and {} numbers, their geometry needs {} and {}",
                   weights_.size, bias_.size, weight_floats_, bias_floats_);
}

PackedConvolution::PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method,
                                     const SharedHalves& weights, SharedFloats bias, Isa isa)
    : geometry_(geometry), method_(method), isa_(isa), ops_(panel_ops(isa)), bias_(std::move(bias)) {
  lay_out();
  FASTERMASK_CHECK(weights.size == weight_floats_ && bias_.size == bias_floats_,
                   "convolution: packed weights and bias have {} and {} numbers, their geometry needs {} and {}",
                   weights.size, bias_.size, weight_floats_, bias_floats_);
  take_halves(weights);
}

PackedConvolution::PackedConvolution(const ConvolutionGeometry& geometry, ConvolutionMethod method,
                                     const Fp16Weights& weights, SharedFloats bias, Isa isa)
    : geometry_(geometry), method_(method), isa_(isa), ops_(panel_ops(isa)), bias_(std::move(bias)) {
  lay_out();
  FASTERMASK_CHECK(fp16_fits() && weights.panels.size == weight_floats_ && weights.scale.size == fp16_scales() &&
                       bias_.size == bias_floats_,
                   "convolution: float16 weights, their scales and bias have {}, {} and {} numbers, which their "
                   "geometry does not fit",
                   weights.panels.size, weights.scale.size, bias_.size);
  if (isa_ != Isa::avx512 || half_arithmetic() != HalfArithmetic::float16) {
    take_halves(unpacked_fp16(weights));
    return;
  }
  arithmetic_ = HalfArithmetic::float16;
  fp16_ops_ = fp16_ops();
  fp16_ = weights;
}

void PackedConvolution::take_halves(const SharedHalves& weights) {
  const HalfArithmetic wanted = isa_ == Isa::avx512 ? half_arithmetic() : HalfArithmetic::float32;
  if (wanted == HalfArithmetic::bfloat16 && pairs_fit()) {
    arithmetic_ = wanted;
    half_ops_ = half_ops();
    halves_ = weights;
    return;
  }
  if (wanted == HalfArithmetic::float16 && fp16_fits()) {
    arithmetic_ = wanted;
    fp16_ops_ = fp16_ops();
    halves_ = weights;
    pack_fp16(weights);
    return;
  }
  AlignedFloats floats(weights.size);
  if (pairs_fit()) {
    HalvesOwner columns(weights.size);
    swap_pairs(weights.data.get(), columns.data(), weights.size, 2);
    widen_bf16(columns.data(), floats.data(), static_cast<std::int64_t>(weights.size));
  } else {
    widen_bf16(weights.data.get(), floats.data(), static_cast<std::int64_t>(weights.size));
  }
  weights_ = share(std::move(floats));
}

PackedConvolution PackedConvolution::in_bf16(const ConvolutionGeometry& geometry, const float* weight,
                                             const float* bias, ConvolutionMethod method, Isa isa) {
  const PackedConvolution packed(geometry, weight, bias, method, isa);
  return {geometry, method, packed.rounded_halves(), packed.bias_, isa};
}

SharedHalves PackedConvolution::rounded_halves() const {
  HalvesOwner halves(weight_floats_);
  narrow_to_bf16(weights_.data.get(), halves.data(), static_cast<std::int64_t>(weight_floats_));
  if (!pairs_fit()) return halves.share();
  HalvesOwner pairs(weight_floats_);
  swap_pairs(halves.data(), pairs.data(), weight_floats_, kPanelWidth);
  return pairs.share();
}

SharedHalves PackedConvolution::packed_halves() const {
  if (arithmetic_ == HalfArithmetic::float16 && halves_.data == nullptr) return unpacked_fp16(fp16_);
  if (arithmetic_ != HalfArithmetic::float32) return halves_;
  AlignedFloats rounded(weight_floats_);
  round_to_bf16(weights_.data.get(), rounded.data(), static_cast<std::int64_t>(weight_floats_));
  FASTERMASK_CHECK(std::equal(rounded.data(), rounded.data() + weight_floats_, weights_.data.get()),
                   "convolution: its weights are no bfloat16 numbers");
  return rounded_halves();
}

int PackedConvolution::rows_at_once() const {
  switch (arithmetic_) {
    case HalfArithmetic::bfloat16: return half_ops_.rows_at_once;
    case HalfArithmetic::float16: return fp16_ops_.rows_at_once;
    default: return LineGrid{}.rows_at_once;
  }
}

bool PackedConvolution::is_narrow(const ConvolutionGeometry& g, ConvolutionMethod method) {
  return method == ConvolutionMethod::direct && !g.transposed && g.kernel > 1 && g.dilation == 1 && g.groups == 1 &&
         g.kernel * g.in_channels <= kNarrowDepth;
}

bool PackedConvolution::pairs_fit(const ConvolutionGeometry& g, ConvolutionMethod method) {
  return g.groups == 1 && !is_narrow(g, method) && g.in_channels % 2 == 0;
}

bool PackedConvolution::fp16_fits(const ConvolutionGeometry& g, ConvolutionMethod method) {
  return pairs_fit(g, method) && g.out_channels % (2 * kPanelWidth) == 0;
}

void PackedConvolution::lay_out() {
  const auto& g = geometry_;
  check_geometry(g);
  const int panels = panels_of(g.out_channels / g.groups);
  bias_floats_ = static_cast<std::size_t>(g.groups) * static_cast<std::size_t>(panels * kPanelWidth);
  narrow_ = is_narrow(g, method_);
  if (method_ == ConvolutionMethod::winograd) {
    FASTERMASK_CHECK(winograd_fits(g), "convolution: Winograd's way needs a 3x3 kernel of stride 1");
    panel_floats_ = static_cast<std::ptrdiff_t>(g.in_channels) * kPanelWidth;
    zeros_.assign(static_cast<std::size_t>(g.in_channels), 0.0f);
    weight_floats_ = static_cast<std::size_t>(kWinogradMatrices * panels * panel_floats_);
  } else if (narrow_) {
    panel_floats_ = static_cast<std::ptrdiff_t>(g.kernel) * g.kernel * g.in_channels * kPanelWidth;
    weight_floats_ = static_cast<std::size_t>(panels * panel_floats_);
  } else {
    lay_out_direct();
  }
}

// Panels of each phase: [group][panel][tap][C / G][kPanelWidth].
void PackedConvolution::lay_out_direct() {
  const auto& g = geometry_;
  const int phases = g.transposed ? g.stride : 1;
  const std::ptrdiff_t tap_floats = static_cast<std::ptrdiff_t>(g.in_channels / g.groups) * kPanelWidth;
  std::ptrdiff_t total = 0;
  for (int py = 0; py < phases; ++py) {
    for (int px = 0; px < phases; ++px) {
      Phase phase;
      phase.y = py;
      phase.x = px;
      phase.step = phases;
      phase.panel_offset = total;
      for (int ky = 0; ky < g.kernel; ++ky) {
        for (int kx = 0; kx < g.kernel; ++kx) {
          int dy = ky * g.dilation - g.padding;
          int dx = kx * g.dilation - g.padding;
          if (g.transposed) {  // output o sums input i where i * stride + k - padding = o
            if ((py + g.padding - ky) % g.stride != 0 || (px + g.padding - kx) % g.stride != 0) continue;
            dy = (py + g.padding - ky) / g.stride;
            dx = (px + g.padding - kx) / g.stride;
          }
          phase.taps.push_back({dy, dx, 0, 0});
          phase.positions.push_back(ky * g.kernel + kx);
        }
      }
      for (const Tap& tap : phase.taps) {
        phase.lines.push_back(tap.dy);
        phase.low_x = std::min(phase.low_x, tap.dx);
        phase.high_x = std::max(phase.high_x, tap.dx);
      }
      std::sort(phase.lines.begin(), phase.lines.end());
      phase.lines.erase(std::unique(phase.lines.begin(), phase.lines.end()), phase.lines.end());
      for (Tap& tap : phase.taps) {
        tap.line = static_cast<int>(std::lower_bound(phase.lines.begin(), phase.lines.end(), tap.dy) -
                                    phase.lines.begin());
      }
      // The tap nearest to the window's middle lies inside the input for most output pixels.
      if (phase.taps.size() > 1) {
        const std::size_t middle = phase.taps.size() / 2;
        std::swap(phase.taps[middle], phase.taps.back());
        std::swap(phase.positions[middle], phase.positions.back());
      }
      for (std::size_t t = 0; t < phase.taps.size(); ++t)
        phase.taps[t].offset = static_cast<std::ptrdiff_t>(t) * tap_floats;
      total += static_cast<std::ptrdiff_t>(g.groups) * panels_of(g.out_channels / g.groups) *
               static_cast<std::ptrdiff_t>(phase.taps.size()) * tap_floats;
      phases_.push_back(std::move(phase));
    }
  }
  weight_floats_ = static_cast<std::size_t>(total);
}

void PackedConvolution::pack_direct(const float* weight, float* packed) const {
  const auto& g = geometry_;
  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;
  const int panels = panels_of(group_out);
  const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(g.kernel) * g.kernel;
  const std::ptrdiff_t tap_floats = static_cast<std::ptrdiff_t>(group_in) * kPanelWidth;
  for (const Phase& phase : phases_) {
    const auto taps = static_cast<std::ptrdiff_t>(phase.taps.size());
    parallel_for(0, static_cast<std::int64_t>(g.groups) * panels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t index = begin; index < end; ++index) {
        const int group = static_cast<int>(index) / panels;
        const int first = static_cast<int>(index) % panels * kPanelWidth;
        float* out = packed + phase.panel_offset + index * taps * tap_floats;
        for (const int position : phase.positions) {
          for (int c = 0; c < group_in; ++c) {
            for (int n = 0; n < kPanelWidth; ++n) {
              const int k = first + n;
              const std::ptrdiff_t filter = g.transposed
                                                ? static_cast<std::ptrdiff_t>(c) * g.out_channels + k
                                                : static_cast<std::ptrdiff_t>(group * group_out + k) * group_in + c;
              *out++ = k < group_out ? weight[filter * area + position] : 0.0f;
            }
          }
        }
      }
    });
  }
}

// A kernel row at a time: [panel][ky][kx * C + c][kPanelWidth].
void PackedConvolution::pack_narrow(const float* weight, float* packed) const {
  const auto& g = geometry_;
  const int row = g.kernel * g.in_channels;
  const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(g.kernel) * g.kernel;
  for (int panel = 0; panel < panels_of(g.out_channels); ++panel) {
    for (int ky = 0; ky < g.kernel; ++ky) {
      for (int i = 0; i < row; ++i) {
        for (int n = 0; n < kPanelWidth; ++n) {
          const int k = panel * kPanelWidth + n;
          const std::ptrdiff_t filter = static_cast<std::ptrdiff_t>(k) * g.in_channels + i % g.in_channels;
          *packed++ = k < g.out_channels ? weight[filter * area + ky * g.kernel + i / g.in_channels] : 0.0f;
        }
      }
    }
  }
}

}  // namespace fastermask
