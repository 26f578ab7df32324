#include "fastermask/kernels/integer_convolution.h"

#include <algorithm>
#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/integer_finish.h"

namespace fastermask {
namespace {

static_assert(kIntegerPanelWidth == kPanelWidth);

// Deeper sums are cut, so that a panel of weights and some rows stay in the second-level cache.
constexpr int kMaxIntegerDepth = 4096;

// Rows a block of 1x1 kernels; and sums that lie together until they become results, of kFinishedTogether panels or
// multiples of that.
constexpr int kShallowRows = 96, kShallowSums = 65536, kDeepSums = 16384;

int rounded_depth(int depth) { return (depth + kIntegerDepthStep - 1) / kIntegerDepthStep * kIntegerDepthStep; }

}  // namespace

std::size_t integer_map_bytes(int batch, int height, int width, int channels, int border) {
  return static_cast<std::size_t>(batch) * static_cast<std::size_t>(height + 2 * border) *
             static_cast<std::size_t>(width + 2 * border) * static_cast<std::size_t>(channels) +
         kIntegerSlack;
}

void fill_border(int batch, int height, int width, int channels, const IntegerMap& map) {
  if (map.border == 0) return;
  const auto zero = static_cast<std::uint8_t>(map.range.zero);
  const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(width + 2 * map.border) * channels;
  const std::ptrdiff_t side = static_cast<std::ptrdiff_t>(map.border) * channels;
  std::uint8_t* out = map.data;
  for (int n = 0; n < batch; ++n) {
    std::fill_n(out, map.border * line, zero);
    out += map.border * line;
    for (int y = 0; y < height; ++y, out += line) {
      std::fill_n(out, side, zero);
      std::fill_n(out + line - side, side, zero);
    }
    std::fill_n(out, map.border * line, zero);
    out += map.border * line;
  }
}

void quantise_map(const float* values, int batch, int height, int width, int channels, const IntegerMap& map, Isa isa) {
  fill_border(batch, height, width, channels, map);
  const IntegerOps ops = integer_ops(isa);
  const std::ptrdiff_t count = static_cast<std::ptrdiff_t>(width) * channels;
  const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(width + 2 * map.border) * channels;
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(count, 1));
  parallel_for(0, static_cast<std::int64_t>(batch) * height, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / height * (height + 2 * map.border) + i % height + map.border;
      ops.quantise(values + i * count, count, map.range,
                   map.data + row * line + static_cast<std::ptrdiff_t>(map.border) * channels);
    }
  });
}

bool IntegerConvolution::fits(const ConvolutionGeometry& g) {
  return g.groups == 1 && (!g.transposed || (g.kernel == g.stride && g.padding == 0 && g.dilation == 1));
}

IntegerConvolution::IntegerConvolution(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                                       const std::vector<float>& input_means, Isa isa)
    : geometry_(geometry), ops_(integer_ops(isa)) {
  lay_out();
  pack(weight, bias, input_means);
}

IntegerConvolution::IntegerConvolution(const ConvolutionGeometry& geometry, IntegerWeights weights, Isa isa)
    : geometry_(geometry), ops_(integer_ops(isa)), weights_(std::move(weights)) {
  lay_out();
  const auto panels = static_cast<std::size_t>(panels_of(geometry.out_channels));
  const std::size_t channels = panels * kIntegerPanelWidth;
  const std::size_t bytes = panels * static_cast<std::size_t>(phases_) * panel_bytes_;
  FASTERMASK_CHECK(weights_.panels.size * sizeof(float) == bytes && weights_.scale.size == channels &&
                       weights_.sum.size == channels * static_cast<std::size_t>(phases_) &&
                       weights_.bias.size == channels,
                   "integer convolution: packed weights of {} bytes with {} scales, their geometry needs {} and {}",
                   weights_.panels.size * sizeof(float), weights_.scale.size, bytes, channels);
}

void IntegerConvolution::lay_out() {
  const auto& g = geometry_;
  FASTERMASK_CHECK(fits(g) && g.in_channels > 0 && g.out_channels > 0 && g.kernel > 0 && g.stride > 0 &&
                       g.padding >= 0 && g.dilation > 0,
                   "integer convolution: impossible geometry: {} to {} channels, kernel {}, stride {}, groups {}",
                   g.in_channels, g.out_channels, g.kernel, g.stride, g.groups);
  phases_ = g.transposed ? g.stride * g.stride : 1;
  if (g.transposed) {
    parts_ = 1;
    depth_ = g.in_channels;
  } else if (g.dilation == 1) {
    parts_ = g.kernel;
    depth_ = g.kernel * g.in_channels;
  } else {
    parts_ = g.kernel * g.kernel;
    depth_ = g.in_channels;
  }
  panel_bytes_ = static_cast<std::size_t>(parts_) * integer_panel_bytes(depth_);
}

void IntegerConvolution::scales_for(const ActivationRange& range, std::vector<float>& scale,
                                    std::vector<float>& bias) const {
  const std::size_t channels = weights_.scale.size;
  scale.resize(channels * static_cast<std::size_t>(phases_));
  bias.resize(scale.size());
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const std::size_t k = i % channels;
    scale[i] = weights_.scale.data.get()[k] * range.scale;
    bias[i] = weights_.bias.data.get()[k] - scale[i] * weights_.sum.data.get()[i] * static_cast<float>(range.zero);
  }
}

struct IntegerConvolution::Run {
  const IntegerConvolution& convolution;
  const IntegerConvolutionCall& call;
  int height;  // of the output before phases interleave it; 1 where all pixels are taken as one line
  std::int64_t width;
  std::int64_t input_width;  // with borders
  int panels_a_finish;       // whose sums lie together until they become results

  int panels_at_once() const { return convolution.ops_.panels_at_once; }
  void multiply(const LineSegment& segment, int phase, int panel, std::int32_t* sums) const;
  void finish(const LineSegment& segment, int phase, int panel, int panels, const std::int32_t* sums) const;
  void block(Span<const LineSegment> segments) const;
};

// The sums of some panels of one segment, from `panel` on.
void IntegerConvolution::Run::multiply(const LineSegment& segment, int phase, int panel, std::int32_t* sums) const {
  const auto& g = convolution.geometry_;
  const int stride = g.transposed ? 1 : g.stride;
  const int padding = g.transposed ? 0 : g.padding;
  const std::int64_t input_height = call.height + 2 * call.input.border;  // taken as one line, all is of image 0
  const std::int64_t top = segment.y * stride - padding + call.input.border;
  const std::int64_t left = segment.x * stride - padding + call.input.border;
  IntegerProduct product;
  product.a = call.input.data + ((segment.image * input_height + top) * input_width + left) * g.in_channels;
  product.a_stride = static_cast<std::ptrdiff_t>(stride) * g.in_channels;
  product.rows = static_cast<int>(segment.count);
  product.panel = reinterpret_cast<const std::int8_t*>(convolution.weights_.panels.data.get()) +
                  static_cast<std::ptrdiff_t>(phase * panels_of(g.out_channels) + panel) *
                      static_cast<std::ptrdiff_t>(convolution.panel_bytes_);
  product.panel_stride = static_cast<std::ptrdiff_t>(convolution.panel_bytes_);
  product.columns = std::min(panels_at_once() * kIntegerPanelWidth, g.out_channels - panel * kIntegerPanelWidth);
  product.sums = sums;
  const int depth = rounded_depth(convolution.depth_);
  const std::ptrdiff_t pixel = static_cast<std::ptrdiff_t>(g.dilation) * g.in_channels;
  const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(g.dilation) * input_width * g.in_channels;
  if (g.dilation > 1) {  // a piece for each tap: their distances change from line to line
    const std::uint8_t* const corner = product.a;
    for (int ky = 0; ky < g.kernel; ++ky) {
      product.a = corner + ky * line;
      product.depth = depth;
      product.parts = g.kernel;
      product.part_stride = pixel;
      product.sums_before = ky == 0 ? nullptr : sums;
      convolution.ops_.multiply_panel(product);
      product.panel += static_cast<std::ptrdiff_t>(g.kernel) * depth * kIntegerPanelWidth;
    }
    return;
  }
  product.parts = convolution.parts_;
  product.part_stride = line;
  if (product.parts > 1) {
    product.depth = depth;
    return convolution.ops_.multiply_panel(product);
  }
  for (int first = 0; first < depth; first += kMaxIntegerDepth) {
    product.depth = std::min(kMaxIntegerDepth, depth - first);
    product.sums_before = first == 0 ? nullptr : sums;
    convolution.ops_.multiply_panel(product);
    product.a += product.depth;
    product.panel += static_cast<std::ptrdiff_t>(product.depth) * kIntegerPanelWidth;
  }
}

// The results of `panels` panels of one segment, from `panel` on.
void IntegerConvolution::Run::finish(const LineSegment& segment, int phase, int panel, int panels,
                                     const std::int32_t* sums) const {
  const auto& g = convolution.geometry_;
  const int step = g.transposed ? g.stride : 1;
  const int channel = panel * kIntegerPanelWidth;
  const int scales = (phase * panels_of(g.out_channels) + panel) * kIntegerPanelWidth;
  IntegerFinish finish;
  finish.sums = sums;
  finish.panels_at_once = panels_at_once();
  finish.rows = static_cast<int>(segment.count);
  finish.columns = std::min(panels * kIntegerPanelWidth, g.out_channels - channel);
  finish.scale = call.scale->data() + scales;
  finish.bias = call.bias->data() + scales;
  finish.relu = call.relu;
  const std::ptrdiff_t pixel = static_cast<std::ptrdiff_t>(step) * g.out_channels;
  const std::int64_t out_y = segment.y * step + phase / step;
  const std::int64_t out_x = segment.x * step + phase % step;
  const std::int64_t out_height = static_cast<std::int64_t>(height) * step, out_width = width * step;
  const std::int64_t place = ((segment.image * out_height + out_y) * out_width + out_x) * g.out_channels + channel;
  finish.c_stride = pixel;
  if (call.output != nullptr) finish.c = call.output + place;
  if (call.half_output != nullptr) finish.half_c = call.half_output + place;
  if (call.quantised.data != nullptr) {
    const int border = call.quantised.border;
    finish.q =
        call.quantised.data + channel +
        ((segment.image * (out_height + 2 * border) + out_y + border) * (out_width + 2 * border) + out_x + border) *
            g.out_channels;
    finish.q_stride = pixel;
    finish.range = call.quantised.range;
  }
  if (call.residual != nullptr || call.half_residual != nullptr) {
    const int scale = call.residual_scale;
    const std::int64_t line = segment.image * (out_height / scale) + out_y / scale;
    const std::int64_t first = (line * (out_width / scale) + out_x / scale) * g.out_channels + channel;
    if (call.residual != nullptr) finish.residual = call.residual + first;
    if (call.half_residual != nullptr) finish.half_residual = call.half_residual + first;
    finish.residual_stride = pixel;
    finish.residual_shift = scale - 1;
    finish.residual_phase = static_cast<int>(out_x % scale);
  }
  convolution.ops_.finish(finish);
}

void IntegerConvolution::Run::block(Span<const LineSegment> segments) const {
  std::ptrdiff_t pixels = 0;
  for (const LineSegment& part : segments) pixels += part.count;
  auto* const memory = reinterpret_cast<std::int32_t*>(
      thread_scratch(static_cast<std::size_t>(pixels * panels_a_finish * kIntegerPanelWidth)));
  const int all = panels_of(convolution.geometry_.out_channels);
  for (int phase = 0; phase < convolution.phases_; ++phase) {
    for (int first = 0; first < all; first += panels_a_finish) {
      const int panels = std::min(panels_a_finish, all - first);
      for (int panel = 0; panel < panels; panel += panels_at_once()) {
        std::int32_t* sums = memory;
        for (const LineSegment& part : segments) {
          multiply(part, phase, first + panel, sums + panel * part.count * kIntegerPanelWidth);
          sums += part.count * panels * kIntegerPanelWidth;
        }
      }
      const std::int32_t* sums = memory;
      for (const LineSegment& part : segments) {
        finish(part, phase, first, panels, sums);
        sums += part.count * panels * kIntegerPanelWidth;
      }
    }
  }
}

void IntegerConvolution::run(const IntegerConvolutionCall& call) const {
  const auto& g = geometry_;
  FASTERMASK_CHECK(call.input.border >= (g.transposed ? 0 : g.padding),
                   "integer convolution: a border of {} for a padding of {}", call.input.border, g.padding);
  FASTERMASK_CHECK(call.residual_scale == 1 || (call.residual_scale == 2 && !g.transposed),
                   "integer convolution: residual_scale {} is not 1 or 2", call.residual_scale);
  if (call.batch == 0) return;
  Run run{*this,
          call,
          g.transposed ? call.height : g.output_size(call.height),
          g.transposed ? call.width : g.output_size(call.width),
          call.width + 2 * call.input.border,
          0};
  std::int64_t lines = static_cast<std::int64_t>(call.batch) * run.height;
  const bool one_line = g.kernel == 1 && g.stride == 1 && g.padding == 0 && !g.transposed && call.input.border == 0 &&
                        call.residual_scale == 1 && (call.quantised.data == nullptr || call.quantised.border == 0);
  if (one_line) {
    run.width = run.input_width = lines * run.width;
    run.height = 1;
    lines = 1;
  }
  // Of a 1x1 kernel few rows, so that their sums become results while they are in a cache; otherwise about 128 KB of
  // input, and a quarter of that of sums.
  const bool shallow = parts_ == 1;
  const int rows =
      shallow ? kShallowRows : std::clamp(131072 / std::min(3 * g.in_channels, kMaxIntegerDepth) / 12 * 12, 48, 480);
  const int sums = (shallow ? kShallowSums : kDeepSums) / rows / kIntegerPanelWidth;
  run.panels_a_finish = std::max(sums / kFinishedTogether * kFinishedTogether, kFinishedTogether);
  run_blocks({lines, run.height, run.width, rows, ops_.rows_at_once},
             [&](Span<const LineSegment> segments) { run.block(segments); });
}

}  // namespace fastermask
