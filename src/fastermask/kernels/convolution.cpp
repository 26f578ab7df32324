#include "fastermask/kernels/convolution.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution_blocks.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask {
namespace {

// Up to this many floats of a kernel row, a row is taken as one pixel with that many channels.
constexpr int kNarrowDepth = 64;

void check_geometry(const ConvolutionGeometry& g) {
  FASTERMASK_CHECK(g.in_channels > 0 && g.out_channels > 0 && g.kernel > 0 && g.stride > 0 && g.padding >= 0 &&
                       g.dilation > 0 && g.groups > 0 && g.in_channels % g.groups == 0 &&
                       g.out_channels % g.groups == 0 && (!g.transposed || (g.groups == 1 && g.dilation == 1)),
                   "convolution: impossible geometry: {} to {} channels, kernel {}, stride {}, padding {}, dilation {}, "
                   "groups {}, transposed {}",
                   g.in_channels, g.out_channels, g.kernel, g.stride, g.padding, g.dilation, g.groups, g.transposed);
}

int panels_of(int channels) { return (channels + kPanelWidth - 1) / kPanelWidth; }

}  // namespace

int ConvolutionGeometry::output_size(int size) const {
  const int reach = dilation * (kernel - 1) + 1;
  if (transposed) return (size - 1) * stride - 2 * padding + kernel;
  return size + 2 * padding < reach ? 0 : (size + 2 * padding - reach) / stride + 1;
}

bool PackedConvolution::winograd_fits(const ConvolutionGeometry& g) {
  return g.kernel == 3 && g.stride == 1 && g.dilation == 1 && g.groups == 1 && !g.transposed &&
         g.in_channels % kWinogradChannels == 0 && g.out_channels % kWinogradChannels == 0;
}

bool PackedConvolution::residual_in_place() const {
  return method_ == ConvolutionMethod::winograd || (geometry_.kernel == 1 && geometry_.in_channels <= kMaxDepth);
}

PackedConvolution::PackedConvolution(const ConvolutionGeometry& geometry, const float* weight, const float* bias,
                                     ConvolutionMethod method, Isa isa)
    : geometry_(geometry), method_(method), isa_(isa), ops_(panel_ops(isa)) {
  check_geometry(geometry);
  const int group_out = geometry.out_channels / geometry.groups;
  const int group_padded = panels_of(group_out) * kPanelWidth;
  bias_ = AlignedFloats(static_cast<std::size_t>(geometry.groups) * static_cast<std::size_t>(group_padded));
  std::fill_n(bias_.data(), bias_.size(), 0.0f);
  for (int k = 0; bias != nullptr && k < geometry.out_channels; ++k) {
    bias_.data()[k / group_out * group_padded + k % group_out] = bias[k];
  }
  narrow_ = !geometry.transposed && geometry.kernel > 1 && geometry.dilation == 1 && geometry.groups == 1 &&
            geometry.kernel * geometry.in_channels <= kNarrowDepth;
  if (method == ConvolutionMethod::winograd) {
    FASTERMASK_CHECK(winograd_fits(geometry), "convolution: Winograd's way needs a 3x3 kernel of stride 1");
    pack_winograd(weight);
  } else if (narrow_) {
    pack_narrow(weight);
  } else {
    pack_direct(weight);
  }
}

void PackedConvolution::run(const ConvolutionCall& call) const {
  FASTERMASK_CHECK(call.residual_scale == 1 || call.residual_scale == 2, "convolution: residual_scale {} is not 1 or 2",
                   call.residual_scale);
  FASTERMASK_CHECK(call.residual_scale == 1 || !geometry_.transposed,
                   "convolution: a transposed convolution takes no upsampled residual");
  if (call.batch == 0) return;
  if (method_ == ConvolutionMethod::winograd) {
    run_winograd(call);
  } else if (narrow_) {
    run_narrow(call);
  } else {
    run_direct(call);
  }
}

// Panels of each phase: [group][panel][tap][C / G][kPanelWidth].
void PackedConvolution::pack_direct(const float* weight) {
  const auto& g = geometry_;
  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;
  const int panels = panels_of(group_out);
  const int phases = g.transposed ? g.stride : 1;
  const std::ptrdiff_t tap_floats = static_cast<std::ptrdiff_t>(group_in) * kPanelWidth;
  std::vector<std::vector<int>> kernel_positions;  // [phase]: ky * kernel + kx of its taps
  std::ptrdiff_t total = 0;
  for (int py = 0; py < phases; ++py) {
    for (int px = 0; px < phases; ++px) {
      Phase phase{py, px, phases, {}, total};
      std::vector<int> positions;
      for (int ky = 0; ky < g.kernel; ++ky) {
        for (int kx = 0; kx < g.kernel; ++kx) {
          int dy = ky * g.dilation - g.padding;
          int dx = kx * g.dilation - g.padding;
          if (g.transposed) {  // output o sums input i where i * stride + k - padding = o
            if ((py + g.padding - ky) % g.stride != 0 || (px + g.padding - kx) % g.stride != 0) continue;
            dy = (py + g.padding - ky) / g.stride;
            dx = (px + g.padding - kx) / g.stride;
          }
          phase.taps.push_back({dy, dx, 0});
          positions.push_back(ky * g.kernel + kx);
        }
      }
      // The tap nearest to the window's middle lies inside the input for most output pixels.
      if (phase.taps.size() > 1) {
        const std::size_t middle = phase.taps.size() / 2;
        std::swap(phase.taps[middle], phase.taps.back());
        std::swap(positions[middle], positions.back());
      }
      for (std::size_t t = 0; t < phase.taps.size(); ++t)
        phase.taps[t].offset = static_cast<std::ptrdiff_t>(t) * tap_floats;
      total += static_cast<std::ptrdiff_t>(g.groups) * panels * static_cast<std::ptrdiff_t>(phase.taps.size()) *
               tap_floats;
      kernel_positions.push_back(std::move(positions));
      phases_.push_back(std::move(phase));
    }
  }
  weights_ = AlignedFloats(static_cast<std::size_t>(total));
  const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(g.kernel) * g.kernel;
  for (std::size_t p = 0; p < phases_.size(); ++p) {
    const Phase& phase = phases_[p];
    const auto taps = static_cast<std::ptrdiff_t>(phase.taps.size());
    parallel_for(0, static_cast<std::int64_t>(g.groups) * panels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t index = begin; index < end; ++index) {
        const int group = static_cast<int>(index) / panels;
        const int first = static_cast<int>(index) % panels * kPanelWidth;
        float* out = weights_.data() + phase.panel_offset + index * taps * tap_floats;
        for (std::ptrdiff_t t = 0; t < taps; ++t) {
          const int position = kernel_positions[p][static_cast<std::size_t>(t)];
          for (int c = 0; c < group_in; ++c) {
            for (int n = 0; n < kPanelWidth; ++n) {
              const int k = first + n;
              const std::ptrdiff_t filter =
                  g.transposed ? static_cast<std::ptrdiff_t>(c) * g.out_channels + k
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
void PackedConvolution::pack_narrow(const float* weight) {
  const auto& g = geometry_;
  const int row = g.kernel * g.in_channels;
  const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(g.kernel) * g.kernel;
  panel_floats_ = static_cast<std::ptrdiff_t>(g.kernel) * row * kPanelWidth;
  weights_ = AlignedFloats(static_cast<std::size_t>(panels_of(g.out_channels) * panel_floats_));
  float* out = weights_.data();
  for (int panel = 0; panel < panels_of(g.out_channels); ++panel) {
    for (int ky = 0; ky < g.kernel; ++ky) {
      for (int i = 0; i < row; ++i) {
        for (int n = 0; n < kPanelWidth; ++n) {
          const int k = panel * kPanelWidth + n;
          const std::ptrdiff_t filter = static_cast<std::ptrdiff_t>(k) * g.in_channels + i % g.in_channels;
          *out++ = k < g.out_channels ? weight[filter * area + ky * g.kernel + i / g.in_channels] : 0.0f;
        }
      }
    }
  }
}

struct PackedConvolution::DirectRun {
  const PackedConvolution& convolution;
  const ConvolutionCall& call;
  const Phase& phase;
  int height;  // of the input; 1 where all pixels are taken as one line
  std::int64_t width;
  int out_height;
  std::int64_t out_width;

  void segment(const LineSegment& segment, int group, int first_panel, int panels, int first_depth, int depth) const;
  void block(Span<const LineSegment> segments) const;
};

// One panel (or two) of the sums of one segment. `first_depth` and `depth` cut the channels of a 1x1 kernel.
void PackedConvolution::DirectRun::segment(const LineSegment& segment, int group, int first_panel, int panels,
                                           int first_depth, int depth) const {
  const auto& g = convolution.geometry_;
  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;
  const int stride = g.transposed ? 1 : g.stride;
  const int group_panels = panels_of(group_out);
  const std::ptrdiff_t panel_stride = static_cast<std::ptrdiff_t>(phase.taps.size()) * group_in * kPanelWidth;
  const float* weights = convolution.weights_.data() + phase.panel_offset +
                         (static_cast<std::ptrdiff_t>(group) * group_panels + first_panel) * panel_stride;
  const std::int64_t out_y = segment.y * phase.step + phase.y;
  const int channel = group * group_out + first_panel * kPanelWidth;
  PanelProduct product;
  product.a_stride = static_cast<std::ptrdiff_t>(stride) * g.in_channels;
  product.panel_stride = panel_stride;
  product.c_stride = static_cast<std::ptrdiff_t>(phase.step) * g.out_channels;
  product.columns = std::min(panels * kPanelWidth, group_out - first_panel * kPanelWidth);
  product.depth = depth;
  product.bias = convolution.bias_.data() + (static_cast<std::ptrdiff_t>(group) * group_panels + first_panel) *
                                                kPanelWidth;
  float* const out_line = call.output + (segment.image * out_height + out_y) * out_width * g.out_channels + channel;
  const auto out_pixel = [&](std::int64_t x) { return out_line + (x * phase.step + phase.x) * g.out_channels; };
  const auto set_residual = [&](std::int64_t x) {
    product.relu = call.relu;
    if (call.residual == nullptr) return;
    const int scale = call.residual_scale;
    const std::int64_t line = segment.image * (out_height / scale) + out_y / scale;
    const std::int64_t column = x * phase.step + phase.x;
    product.residual_stride = product.c_stride;
    product.residual_shift = scale - 1;
    product.residual_phase = static_cast<int>(column % scale);
    product.residual = call.residual + (line * (out_width / scale) + column / scale) * g.out_channels + channel;
  };
  const bool last_depth = first_depth + depth == group_in;
  bool started = first_depth > 0;  // the sums of all pixels hold something
  bool finished = false;
  for (std::size_t t = 0; t < phase.taps.size(); ++t) {
    const Tap& tap = phase.taps[t];
    const std::int64_t y = segment.y * stride + tap.dy;
    if (y < 0 || y >= height) continue;
    // Pixels whose input column, x * stride + dx, exists.
    const std::int64_t low = tap.dx >= 0 ? 0 : (-tap.dx + stride - 1) / stride;
    const std::int64_t high = width - 1 - tap.dx < 0 ? 0 : (width - 1 - tap.dx) / stride + 1;
    const std::int64_t begin = std::max(segment.x, low);
    const std::int64_t end = std::min(segment.x + segment.count, high);
    if (begin >= end) continue;
    const bool all = end - begin == segment.count;
    if (!started && !all) {
      fill_lines(product.bias, product.columns, out_pixel(segment.x), product.c_stride, segment.count);
      started = true;
    }
    product.accumulate = started;
    if (all && last_depth && t + 1 == phase.taps.size()) {
      set_residual(segment.x);
      finished = true;
    }
    product.a = call.input + ((segment.image * height + y) * width + begin * stride + tap.dx) * g.in_channels +
                group * group_in + first_depth;
    product.panel = weights + tap.offset + static_cast<std::ptrdiff_t>(first_depth) * kPanelWidth;
    product.c = out_pixel(begin);
    product.rows = static_cast<int>(end - begin);
    convolution.ops_.multiply_panel(product);
    started = true;
  }
  if (finished || !last_depth) return;
  if (!started) fill_lines(product.bias, product.columns, out_pixel(segment.x), product.c_stride, segment.count);
  set_residual(segment.x);
  product.accumulate = true;
  product.depth = 0;  // nothing more to sum: only the finishing
  product.panel = weights;
  product.a = call.input;
  product.c = out_pixel(segment.x);
  product.rows = static_cast<int>(segment.count);
  convolution.ops_.multiply_panel(product);
}

void PackedConvolution::DirectRun::block(Span<const LineSegment> segments) const {
  const auto& g = convolution.geometry_;
  const int group_in = g.in_channels / g.groups;
  const int panels = panels_of(g.out_channels / g.groups);
  const int depth = phase.taps.size() == 1 ? std::min(group_in, kMaxDepth) : group_in;
  const int step = convolution.ops_.panels_at_once;
  for (int first_depth = 0; first_depth < group_in; first_depth += depth) {
    for (int group = 0; group < g.groups; ++group) {
      for (int panel = 0; panel < panels; panel += step) {
        for (const LineSegment& part : segments) {
          segment(part, group, panel, std::min(step, panels - panel), first_depth,
                  std::min(depth, group_in - first_depth));
        }
      }
    }
  }
}

void PackedConvolution::run_direct(const ConvolutionCall& call) const {
  const auto& g = geometry_;
  const int out_height = g.output_size(call.height);
  const int out_width = g.output_size(call.width);
  const bool one_line =
      g.kernel == 1 && g.stride == 1 && g.padding == 0 && call.residual_scale == 1 && !g.transposed;
  for (const Phase& phase : phases_) {
    DirectRun run{*this, call, phase, call.height, call.width, out_height, out_width};
    std::int64_t lines = static_cast<std::int64_t>(call.batch) * ((out_height - phase.y + phase.step - 1) / phase.step);
    std::int64_t line_length = (out_width - phase.x + phase.step - 1) / phase.step;
    std::int64_t lines_per_image = lines / call.batch;
    if (one_line) {
      run.width = run.out_width = line_length = static_cast<std::int64_t>(call.batch) * call.height * call.width;
      run.height = run.out_height = 1;
      lines = lines_per_image = 1;
    }
    const int window = static_cast<int>(phase.taps.size()) > 1 ? 3 : 1;
    run_blocks({lines, lines_per_image, line_length, block_rows(g.in_channels / g.groups * window)},
               [&](Span<const LineSegment> segments) { run.block(segments); });
  }
}

void PackedConvolution::run_narrow(const ConvolutionCall& call) const {
  const auto& g = geometry_;
  const int out_height = g.output_size(call.height);
  const int out_width = g.output_size(call.width);
  const int row_depth = g.kernel * g.in_channels;
  const int panels = panels_of(g.out_channels);
  const std::int64_t lines = static_cast<std::int64_t>(call.batch) * out_height;
  run_blocks({lines, out_height, out_width, 96}, [&](Span<const LineSegment> segments) {
    for (const LineSegment& segment : segments) {
      // The input lines that the segment sees, with zeros for what lies outside.
      const std::int64_t pixels = (segment.count - 1) * g.stride + g.kernel;
      const std::ptrdiff_t line_floats = pixels * g.in_channels;
      float* window = thread_scratch(static_cast<std::size_t>(line_floats * g.kernel));
      const std::int64_t left = segment.x * g.stride - g.padding;
      for (int ky = 0; ky < g.kernel; ++ky) {
        const std::int64_t y = segment.y * g.stride - g.padding + ky;
        float* line = window + ky * line_floats;
        const std::int64_t begin = y < 0 || y >= call.height ? left + pixels : std::max<std::int64_t>(left, 0);
        const std::int64_t end = std::max(begin, std::min<std::int64_t>(left + pixels, call.width));
        std::fill(line, line + (std::min(begin, left + pixels) - left) * g.in_channels, 0.0f);
        if (begin < left + pixels) {
          const float* source = call.input + ((segment.image * call.height + y) * call.width + begin) * g.in_channels;
          std::copy(source, source + (end - begin) * g.in_channels, line + (begin - left) * g.in_channels);
          std::fill(line + (end - left) * g.in_channels, line + line_floats, 0.0f);
        }
      }
      const std::int64_t first_pixel = (segment.image * out_height + segment.y) * out_width + segment.x;
      PanelProduct product;
      product.a_stride = static_cast<std::ptrdiff_t>(g.stride) * g.in_channels;
      product.panel_stride = panel_floats_;
      product.c_stride = g.out_channels;
      product.rows = static_cast<int>(segment.count);
      product.depth = row_depth;
      product.parts = g.kernel;
      product.part_stride = line_floats;
      for (int panel = 0; panel < panels; panel += ops_.panels_at_once) {
        const int channel = panel * kPanelWidth;
        product.columns = std::min(ops_.panels_at_once * kPanelWidth, g.out_channels - channel);
        product.bias = bias_.data() + channel;
        product.c = call.output + first_pixel * g.out_channels + channel;
        product.a = window;
        product.panel = weights_.data() + panel * panel_floats_;
        product.relu = call.relu;
        if (call.residual != nullptr) {
          const int scale = call.residual_scale;
          const std::int64_t line = segment.image * (out_height / scale) + segment.y / scale;
          product.residual_stride = g.out_channels;
          product.residual_shift = scale - 1;
          product.residual_phase = static_cast<int>(segment.x % scale);
          product.residual =
              call.residual + (line * (out_width / scale) + segment.x / scale) * g.out_channels + channel;
        }
        ops_.multiply_panel(product);
      }
    }
  });
}

}  // namespace fastermask
