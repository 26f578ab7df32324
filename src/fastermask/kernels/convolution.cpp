#include "fastermask/kernels/convolution.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/convolution_blocks.h"

namespace fastermask {

namespace {

constexpr std::size_t kMaxParts = 32;  // taps that one product sums

}  // namespace

void PackedConvolution::run(const ConvolutionCall& call) const {
  FASTERMASK_CHECK(call.residual_scale == 1 || call.residual_scale == 2, "convolution: residual_scale {} is not 1 or 2",
                   call.residual_scale);
  FASTERMASK_CHECK(call.residual_scale == 1 || !geometry_.transposed,
                   "convolution: a transposed convolution takes no upsampled residual");
  if (call.batch == 0) return;
  if (method_ == ConvolutionMethod::winograd) {
    switch (arithmetic_) {
      case HalfArithmetic::float32: return run_winograd<float>(call);
      case HalfArithmetic::bfloat16: return run_winograd<Bf16>(call);
      case HalfArithmetic::float16: return run_winograd<Fp16>(call);
    }
  } else if (narrow_) {
    run_narrow(call);
  } else {
    switch (arithmetic_) {
      case HalfArithmetic::float32: return run_direct<float>(call);
      case HalfArithmetic::bfloat16: return run_direct<Bf16>(call);
      case HalfArithmetic::float16: return run_direct<Fp16>(call);
    }
  }
}

template <class Element>
struct PackedConvolution::DirectRun {
  // What the taps of one segment read: lines of the input as they are, or copies of its phase's lines in 16 bits.
  struct Window {
    const Element* lines = nullptr;
    const float* scales = nullptr;    // of the pixels of copies in float16, line by line
    std::ptrdiff_t line_stride = 0;   // between the phase's lines (of copies), or those of the image
    std::ptrdiff_t pixel_stride = 0;  // between pixels that are there
    std::int64_t left = 0;            // the first pixel that is there
    std::int64_t step = 1;            // every step-th pixel is there
  };
  // Some panels of the output, and some channels of the input of a 1x1 kernel.
  struct Part {
    int group, first_panel, panels, first_depth, depth;
  };

  const PackedConvolution& convolution;
  const ConvolutionCall& call;
  const Phase& phase;
  int height;  // of the input; 1 where all pixels are taken as one line
  std::int64_t width;
  int out_height;
  std::int64_t out_width;

  std::int64_t stride() const { return convolution.geometry_.transposed ? 1 : convolution.geometry_.stride; }
  void copy_window(const LineSegment& segment, const Part& part, Element* memory, float* scales, Window& window) const;
  void find_windows(Span<const LineSegment> segments, const Part& part, std::vector<Window>& windows) const;
  const Element* input_of(const Window& window, const Tap& tap, std::int64_t y, std::int64_t x) const;
  void segment(const LineSegment& segment, const Window& window, const Part& part) const;
  void block(Span<const LineSegment> segments) const;
};

// The lines that the segment's taps see, part.depth channels of each pixel from part.first_depth on; pixels that no tap
// sees are left out where taps lie above each other. In bfloat16, what lies outside the input is zeros, so that one
// product sums all taps of all pixels. Without memory: only what does not depend on it.
template <class Element>
void PackedConvolution::DirectRun<Element>::copy_window(const LineSegment& segment, const Part& part, Element* memory,
                                                        float* scales, Window& window) const {
  const int channels = convolution.geometry_.in_channels;
  window.step = phase.low_x == phase.high_x ? stride() : 1;
  window.left = segment.x * stride() + phase.low_x;
  const std::int64_t pixels =
      ((segment.count - 1) * stride() + phase.high_x - phase.low_x) / window.step + 1;
  window.lines = memory;
  window.scales = scales;
  window.pixel_stride = part.depth;
  window.line_stride = pixels * part.depth;
  if (memory == nullptr) return;
  const std::int64_t begin = window.left < 0 ? (-window.left + window.step - 1) / window.step : 0;
  const std::int64_t end = std::min(pixels, (width - window.left + window.step - 1) / window.step);
  for (std::size_t line = 0; line < phase.lines.size(); ++line) {
    const std::int64_t y = segment.y * stride() + phase.lines[line];
    Element* const out = memory + static_cast<std::ptrdiff_t>(line) * window.line_stride;
    if (y < 0 || y >= height) {
      if constexpr (std::is_same_v<Element, Bf16>) std::fill_n(out, window.line_stride, Bf16{});
      continue;
    }
    const float* const source =
        call.input + ((segment.image * height + y) * width + window.left) * channels + part.first_depth;
    if constexpr (std::is_same_v<Element, Bf16>) {
      const std::int64_t first = std::min(begin, pixels), last = std::max(first, end);
      std::fill(out, out + first * part.depth, Bf16{});
      std::fill(out + last * part.depth, out + window.line_stride, Bf16{});
      const auto narrow = convolution.half_ops_.narrow;
      if (part.depth == channels && window.step == 1) {
        if (begin < end) narrow(source + begin * channels, out + begin * channels, (end - begin) * channels);
        continue;
      }
      for (std::int64_t i = begin; i < end; ++i)
        narrow(source + i * window.step * channels, out + i * part.depth, part.depth);
    } else {
      float* const line_scales = scales + static_cast<std::ptrdiff_t>(line) * pixels;
      for (std::int64_t i = begin; i < end; ++i)
        line_scales[i] =
            convolution.fp16_ops_.narrow(source + i * window.step * channels, out + i * part.depth, part.depth);
    }
  }
}

template <class Element>
void PackedConvolution::DirectRun<Element>::find_windows(Span<const LineSegment> segments, const Part& part,
                                                         std::vector<Window>& windows) const {
  const auto size_of = [&](const Window& window) {
    return static_cast<std::ptrdiff_t>(phase.lines.size()) * window.line_stride;
  };
  std::ptrdiff_t size = 0;
  windows.resize(segments.size());
  for (std::size_t i = 0; i < segments.size(); ++i) {
    copy_window(segments[i], part, nullptr, nullptr, windows[i]);
    size += size_of(windows[i]);
  }
  const std::ptrdiff_t pixels = size / part.depth;
  auto* scales = thread_scratch(static_cast<std::size_t>(pixels + (size + 1) / 2));
  auto* memory = reinterpret_cast<Element*>(scales + pixels);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    copy_window(segments[i], part, memory, scales, windows[i]);
    memory += size_of(windows[i]);
    scales += size_of(windows[i]) / part.depth;
  }
}

template <>
void PackedConvolution::DirectRun<float>::find_windows(Span<const LineSegment> segments, const Part& part,
                                                       std::vector<Window>& windows) const {
  const auto& g = convolution.geometry_;
  windows.resize(segments.size());
  for (std::size_t i = 0; i < segments.size(); ++i) {
    windows[i].pixel_stride = g.in_channels;
    windows[i].line_stride = static_cast<std::ptrdiff_t>(width) * g.in_channels;
    windows[i].lines = call.input + segments[i].image * height * windows[i].line_stride +
                       static_cast<std::ptrdiff_t>(part.group) * (g.in_channels / g.groups) + part.first_depth;
  }
}

// The input pixel of output x in line y of the input, for one tap.
template <class Element>
const Element* PackedConvolution::DirectRun<Element>::input_of(const Window& window, const Tap& tap, std::int64_t,
                                                               std::int64_t x) const {
  return window.lines + tap.line * window.line_stride +
         (x * stride() + tap.dx - window.left) / window.step * window.pixel_stride;
}

template <>
const float* PackedConvolution::DirectRun<float>::input_of(const Window& window, const Tap& tap, std::int64_t y,
                                                           std::int64_t x) const {
  return window.lines + y * window.line_stride + (x * stride() + tap.dx) * window.pixel_stride;
}

// One panel (or two) of the sums of one segment.
template <class Element>
void PackedConvolution::DirectRun<Element>::segment(const LineSegment& segment, const Window& window,
                                                    const Part& part) const {
  const auto& g = convolution.geometry_;
  const int group_in = g.in_channels / g.groups;
  const int group_out = g.out_channels / g.groups;
  const auto& [group, first_panel, panels, first_depth, depth] = part;
  const int group_panels = panels_of(group_out);
  const std::ptrdiff_t panel_stride = static_cast<std::ptrdiff_t>(phase.taps.size()) * group_in * kPanelWidth;
  const Element* weights = convolution.panels<Element>() + phase.panel_offset +
                           (static_cast<std::ptrdiff_t>(group) * group_panels + first_panel) * panel_stride;
  const std::int64_t out_y = segment.y * phase.step + phase.y;
  const int channel = group * group_out + first_panel * kPanelWidth;
  PanelProductOf<Element> product;
  if constexpr (std::is_same_v<Element, Fp16>) product.scale = convolution.fp16_.scale.data.get() + channel;
  product.a_stride = stride() / window.step * window.pixel_stride;
  product.panel_stride = panel_stride;
  product.c_stride = static_cast<std::ptrdiff_t>(phase.step) * g.out_channels;
  product.columns = std::min(panels * kPanelWidth, group_out - first_panel * kPanelWidth);
  product.depth = depth;
  product.bias = convolution.bias_.data.get() + (static_cast<std::ptrdiff_t>(group) * group_panels + first_panel) *
                                                kPanelWidth;
  float* const out_line = call.output + (segment.image * out_height + out_y) * out_width * g.out_channels + channel;
  const auto out_pixel = [&](std::int64_t x) { return out_line + (x * phase.step + phase.x) * g.out_channels; };
  const auto set_residual = [&](std::int64_t x) {
    product.relu = call.relu;
    if (call.gate != nullptr) product.gate = call.gate + (out_pixel(x) - call.output);
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
  if constexpr (std::is_same_v<Element, Bf16>) {
    std::array<std::ptrdiff_t, kMaxParts> offsets;
    product.part_offsets = offsets.data();
    product.a = window.lines;
    product.c = out_pixel(segment.x);
    product.rows = static_cast<int>(segment.count);
    for (std::size_t t = 0; t < phase.taps.size(); t += kMaxParts) {
      const std::size_t some = std::min(phase.taps.size() - t, kMaxParts);
      for (std::size_t i = 0; i < some; ++i) {
        const Tap& tap = phase.taps[t + i];
        offsets[i] = input_of(window, tap, segment.y, segment.x) - window.lines;
      }
      product.parts = static_cast<int>(some);
      product.panel = weights + phase.taps[t].offset + static_cast<std::ptrdiff_t>(first_depth) * kPanelWidth;
      product.accumulate = first_depth > 0 || t > 0;
      if (last_depth && t + some == phase.taps.size()) set_residual(segment.x);
      convolution.multiply(product);
    }
    return;
  }
  bool started = first_depth > 0;  // the sums of all pixels hold something
  bool finished = false;
  for (std::size_t t = 0; t < phase.taps.size(); ++t) {
    const Tap& tap = phase.taps[t];
    const std::int64_t y = segment.y * stride() + tap.dy;
    if (y < 0 || y >= height) continue;
    // Pixels whose input column, x * stride + dx, exists.
    const std::int64_t low = tap.dx >= 0 ? 0 : (-tap.dx + stride() - 1) / stride();
    const std::int64_t high = width - 1 - tap.dx < 0 ? 0 : (width - 1 - tap.dx) / stride() + 1;
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
    product.a = input_of(window, tap, y, begin);
    if constexpr (std::is_same_v<Element, Fp16>) {
      product.row_scale = window.scales + (product.a - window.lines) / window.pixel_stride;
      product.row_scale_stride = product.a_stride / window.pixel_stride;
    }
    product.panel = weights + tap.offset + static_cast<std::ptrdiff_t>(first_depth) * kPanelWidth;
    product.c = out_pixel(begin);
    product.rows = static_cast<int>(end - begin);
    convolution.multiply(product);
    started = true;
  }
  if (finished || !last_depth) return;
  if (!started) fill_lines(product.bias, product.columns, out_pixel(segment.x), product.c_stride, segment.count);
  set_residual(segment.x);
  product.accumulate = true;
  product.depth = 0;  // nothing more to sum: only the finishing
  constexpr float kOne = 1;
  product.row_scale = &kOne;
  product.row_scale_stride = 0;
  product.panel = weights;
  product.a = window.lines;
  product.c = out_pixel(segment.x);
  product.rows = static_cast<int>(segment.count);
  convolution.multiply(product);
}

template <class Element>
void PackedConvolution::DirectRun<Element>::block(Span<const LineSegment> segments) const {
  const auto& g = convolution.geometry_;
  const int group_in = g.in_channels / g.groups;
  const int panels = panels_of(g.out_channels / g.groups);
  const int most = std::is_same_v<Element, Bf16> ? kMaxHalfDepth : kMaxDepth;
  const int depth = phase.taps.size() == 1 ? std::min(group_in, most) : group_in;
  const int step = convolution.ops_.panels_at_once;
  thread_local std::vector<Window> kept;
  std::vector<Window>& windows = kept;
  for (int first_depth = 0; first_depth < group_in; first_depth += depth) {
    for (int group = 0; group < g.groups; ++group) {
      Part part{group, 0, step, first_depth, std::min(depth, group_in - first_depth)};
      find_windows(segments, part, windows);
      for (; part.first_panel < panels; part.first_panel += step) {
        part.panels = std::min(step, panels - part.first_panel);
        for (std::size_t i = 0; i < segments.size(); ++i) segment(segments[i], windows[i], part);
      }
    }
  }
}

template <class Element>
void PackedConvolution::run_direct(const ConvolutionCall& call) const {
  const auto& g = geometry_;
  const int out_height = g.output_size(call.height);
  const int out_width = g.output_size(call.width);
  const bool one_line =
      g.kernel == 1 && g.stride == 1 && g.padding == 0 && call.residual_scale == 1;
  for (const Phase& phase : phases_) {
    DirectRun<Element> run{*this, call, phase, call.height, call.width, out_height, out_width};
    std::int64_t lines = static_cast<std::int64_t>(call.batch) * ((out_height - phase.y + phase.step - 1) / phase.step);
    std::int64_t line_length = (out_width - phase.x + phase.step - 1) / phase.step;
    std::int64_t lines_per_image = lines / call.batch;
    if (one_line) {
      run.width = run.out_width = line_length = static_cast<std::int64_t>(call.batch) * call.height * call.width;
      run.height = run.out_height = 1;
      lines = lines_per_image = 1;
    }
    const int window = static_cast<int>(phase.taps.size()) > 1 ? 3 : 1;
    int rows = block_rows(g.in_channels / g.groups * window);
    // Each block reads all weights: where they are many, a block has more rows, which fills the second-level cache.
    if (window == 1 && weight_floats_ > kManyWeights) rows = kMaxBlockRows;
    run_blocks({lines, lines_per_image, line_length, rows, rows_at_once()},
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
        product.bias = bias_.data.get() + channel;
        product.c = call.output + first_pixel * g.out_channels + channel;
        product.a = window;
        product.panel = weights_.data.get() + panel * panel_floats_;
        product.relu = call.relu;
        product.gate = call.gate == nullptr ? nullptr : call.gate + (product.c - call.output);
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
