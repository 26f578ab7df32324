#include "fastermask/training/sparse_gradient.h"

#include <algorithm>
#include <utility>

#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

constexpr std::int64_t kLeastZeros = 16;  // pixels for each that is not 0
constexpr std::int64_t kSamples = 64;     // pixels that tell most maps at once
constexpr std::int64_t kChunk = 512;      // pixels that a thread looks at
constexpr std::int64_t kChannelBlock = 64;
constexpr std::int64_t kGrain = 1 << 14;  // numbers, below which more threads do not pay

bool is_zero(const float* pixel, std::int64_t channels) {
  bool other = false;
  for (std::int64_t c = 0; c < channels; ++c) other |= !(pixel[c] == 0);
  return !other;
}

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// Calls body(first, last) for blocks of channels: a pixel that is named several times is then summed by one thread.
template <class Body>
void for_channel_blocks(std::int64_t channels, std::int64_t rows, const Body& body) {
  const std::int64_t blocks = (channels + kChannelBlock - 1) / kChannelBlock;
  parallel_for(0, blocks, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(rows * kChannelBlock, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 body(begin * kChannelBlock, std::min(end * kChannelBlock, channels));
               });
}

// Adds numbers [first, last) of a pixel, but where the gate is at most 0; without a gate it is null.
void add_pixel(const float* from, const float* gate, std::int64_t first, std::int64_t last, float* to) {
  if (gate == nullptr) {
    for (std::int64_t c = first; c < last; ++c) to[c] += from[c];
  } else {
    for (std::int64_t c = first; c < last; ++c) to[c] += gate[c] <= 0 ? 0.0f : from[c];
  }
}

// The input pixels of an output pixel's window.
class WindowReader {
 public:
  WindowReader(const ConvolutionGeometry& geometry, const at::Tensor& input)
      : geometry_(geometry),
        height_(input.size(2)),
        width_(input.size(3)),
        out_height_(geometry.output_size(static_cast<int>(height_))),
        out_width_(geometry.output_size(static_cast<int>(width_))) {}

  // Calls body(tap, input pixel) for each tap that lies within the map; pixels are numbers among [N, H, W].
  template <class Body>
  void visit(std::int64_t pixel, const Body& body) const {
    const std::int64_t image = pixel / (out_height_ * out_width_);
    const std::int64_t top = pixel / out_width_ % out_height_ * geometry_.stride - geometry_.padding;
    const std::int64_t left = pixel % out_width_ * geometry_.stride - geometry_.padding;
    for (std::int64_t tap = 0; tap < static_cast<std::int64_t>(geometry_.kernel) * geometry_.kernel; ++tap) {
      const std::int64_t y = top + tap / geometry_.kernel * geometry_.dilation;
      const std::int64_t x = left + tap % geometry_.kernel * geometry_.dilation;
      if (y >= 0 && y < height_ && x >= 0 && x < width_) body(tap, (image * height_ + y) * width_ + x);
    }
  }

 private:
  const ConvolutionGeometry& geometry_;
  std::int64_t height_, width_, out_height_, out_width_;
};

// in: [K, rows, columns] to [K, columns, rows].
at::Tensor turned_each(const at::Tensor& in, std::int64_t rows, std::int64_t columns, at::IntArrayRef sizes) {
  const at::Tensor values = in.contiguous();
  at::Tensor result = at::empty(sizes, values.options().requires_grad(false));
  const float* const from = values.data_ptr<float>();
  float* const to = result.data_ptr<float>();
  const std::int64_t size = rows * columns, count = values.numel() / std::max<std::int64_t>(size, 1);
  parallel_for(0, count, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(size, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   for (std::int64_t r = 0; r < rows; ++r) {
                     for (std::int64_t c = 0; c < columns; ++c)
                       to[k * size + c * rows + r] = from[k * size + r * columns + c];
                   }
                 }
               });
  return result;
}

}  // namespace

std::optional<SparseGradient> sparse_gradient(const at::Tensor& map) {
  const std::int64_t channels = map.size(1), count = map.numel() / std::max<std::int64_t>(channels, 1);
  if (count < kSamples) return std::nullopt;
  const float* const values = map.data_ptr<float>();
  std::int64_t others = 0;
  for (std::int64_t i = 0; i < kSamples; ++i)
    others += is_zero(values + i * count / kSamples * channels, channels) ? 0 : 1;
  if (others > 2 * kSamples / kLeastZeros) return std::nullopt;
  const std::int64_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<std::vector<std::int64_t>> found(index(chunks));
  parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t pixel = i * kChunk; pixel < std::min((i + 1) * kChunk, count); ++pixel) {
        if (!is_zero(values + pixel * channels, channels)) found[index(i)].push_back(pixel);
      }
    }
  });
  SparseGradient result;
  for (const std::vector<std::int64_t>& some : found)
    result.pixels.insert(result.pixels.end(), some.begin(), some.end());
  const auto rows = static_cast<std::int64_t>(result.pixels.size());
  if (rows * kLeastZeros > count) return std::nullopt;
  result.rows = at::empty({rows, channels}, map.options().requires_grad(false));
  float* row = result.rows.data_ptr<float>();
  for (const std::int64_t pixel : result.pixels) row = std::copy_n(values + pixel * channels, channels, row);
  return result;
}

SparseGradient sum_of(const std::vector<SparseGradient>& gradients, const at::Tensor& gate) {
  SparseGradient sum;
  for (const SparseGradient& gradient : gradients)
    sum.pixels.insert(sum.pixels.end(), gradient.pixels.begin(), gradient.pixels.end());
  std::sort(sum.pixels.begin(), sum.pixels.end());
  sum.pixels.erase(std::unique(sum.pixels.begin(), sum.pixels.end()), sum.pixels.end());
  const std::int64_t channels = gradients.front().rows.size(1);
  sum.rows =
      at::zeros({static_cast<std::int64_t>(sum.pixels.size()), channels}, gradients.front().rows.options());
  float* const to = sum.rows.data_ptr<float>();
  const float* const gates = gate.defined() ? gate.data_ptr<float>() : nullptr;
  for (const SparseGradient& gradient : gradients) {
    const float* from = gradient.rows.data_ptr<float>();
    auto at = sum.pixels.begin();
    for (const std::int64_t pixel : gradient.pixels) {
      at = std::lower_bound(at, sum.pixels.end(), pixel);
      add_pixel(from, gates == nullptr ? nullptr : gates + pixel * channels, 0, channels,
                to + (at - sum.pixels.begin()) * channels);
      from += channels;
    }
  }
  return sum;
}

void add_sparse(const SparseGradient& gradient, const at::Tensor& gate, const at::Tensor& sum) {
  const std::int64_t channels = sum.size(1);
  const float* const from = gradient.rows.data_ptr<float>();
  const float* const gates = gate.defined() ? gate.data_ptr<float>() : nullptr;
  float* const to = sum.data_ptr<float>();
  const auto rows = static_cast<std::int64_t>(gradient.pixels.size());
  for_channel_blocks(channels, rows, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t at = gradient.pixels[index(i)] * channels;
      add_pixel(from + i * channels, gates == nullptr ? nullptr : gates + at, first, last, to + at);
    }
  });
}

at::Tensor input_windows(const ConvolutionGeometry& geometry, const at::Tensor& input,
                         const std::vector<std::int64_t>& pixels) {
  const std::int64_t channels = input.size(1), window = channels * geometry.kernel * geometry.kernel;
  const auto rows = static_cast<std::int64_t>(pixels.size());
  at::Tensor result = at::zeros({rows, window}, input.options().requires_grad(false));
  const float* const from = input.data_ptr<float>();
  float* const to = result.data_ptr<float>();
  const WindowReader reader(geometry, input);
  parallel_for(0, rows, std::max<std::int64_t>(1, kGrain / window), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      reader.visit(pixels[index(i)], [&](std::int64_t tap, std::int64_t pixel) {
        std::copy_n(from + pixel * channels, channels, to + i * window + tap * channels);
      });
    }
  });
  return result;
}

void add_windows(const ConvolutionGeometry& geometry, const at::Tensor& windows,
                 const std::vector<std::int64_t>& pixels, const at::Tensor& gate, const at::Tensor& sum) {
  const std::int64_t channels = sum.size(1), window = channels * geometry.kernel * geometry.kernel;
  const auto rows = static_cast<std::int64_t>(pixels.size());
  const float* const from = windows.data_ptr<float>();
  const float* const gates = gate.defined() ? gate.data_ptr<float>() : nullptr;
  float* const to = sum.data_ptr<float>();
  const WindowReader reader(geometry, sum);
  for_channel_blocks(channels, rows * geometry.kernel * geometry.kernel, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = 0; i < rows; ++i) {
      reader.visit(pixels[index(i)], [&](std::int64_t tap, std::int64_t pixel) {
        add_pixel(from + i * window + tap * channels, gates == nullptr ? nullptr : gates + pixel * channels, first,
                  last, to + pixel * channels);
      });
    }
  });
}

at::Tensor kernels_as_windows(const at::Tensor& weight) {
  const std::int64_t area = weight.size(2) * weight.size(3), channels = weight.size(1);
  return turned_each(weight, channels, area, {weight.size(0), area * channels});
}

at::Tensor windows_as_kernels(const ConvolutionGeometry& geometry, const at::Tensor& windows) {
  const std::int64_t kernel = geometry.kernel, channels = geometry.in_channels;
  return turned_each(windows, kernel * kernel, channels, {windows.size(0), channels, kernel, kernel});
}

}  // namespace fastermask
