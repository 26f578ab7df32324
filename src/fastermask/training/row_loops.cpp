#include "fastermask/training/row_loops.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <vector>

#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

constexpr std::int64_t kRowsTogether = 64;  // whose sum is one term of the next: errors grow with 64 + M / 64 terms
constexpr std::int64_t kChunk = 32 * kRowsTogether;  // of rows, summed by one thread
constexpr std::int64_t kGrain = 1 << 14;  // numbers, below which more threads do not pay

// sums[c] = sum of chunk[m][c] over m < rows.
void sum_chunk(const float* chunk, std::int64_t rows, std::int64_t columns, float* sums) {
  std::array<float, kRowsTogether> ones;
  ones.fill(1.0f);
  std::array<const float*, kRowsTogether> sources;
  std::vector<float> some(static_cast<std::size_t>(columns));
  const auto n = static_cast<std::ptrdiff_t>(columns);
  for (std::int64_t first = 0; first < rows; first += kRowsTogether) {
    const std::int64_t count = std::min(kRowsTogether, rows - first);
    for (std::int64_t i = 0; i < count; ++i) sources[static_cast<std::size_t>(i)] = chunk + (first + i) * columns;
    row_ops().weighted_sum(sources.data(), ones.data(), static_cast<int>(count), n, false, some.data());
    const float* const term = some.data();
    row_ops().weighted_sum(&term, ones.data(), 1, n, first > 0, sums);
  }
}

at::Tensor multiply_each_row(const at::Tensor& rows, const at::Tensor& scale) {
  const at::Tensor from = rows.contiguous(), factors = scale.contiguous();
  at::Tensor result = at::empty_like(from);
  const std::int64_t count = from.size(0), length = from.numel() / std::max<std::int64_t>(count, 1);
  const float* const in = from.data_ptr<float>();
  const float* const factor = factors.data_ptr<float>();
  float* const out = result.data_ptr<float>();
  parallel_for(0, count, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(length, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   const float* const row = in + k * length;
                   row_ops().weighted_sum(&row, factor + k, 1, static_cast<std::ptrdiff_t>(length), false,
                                          out + k * length);
                 }
               });
  return result;
}

// Calls body(line) for the lines of maps that so many numbers of each are moved of.
template <class Body>
void for_lines(std::int64_t lines, std::int64_t numbers, const Body& body) {
  parallel_for(0, lines, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(numbers, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t line = begin; line < end; ++line) body(line);
               });
}

// Calls body(small, large) for the offset of each pixel of the small map, and that of the one of the large map it is
// taken from.
template <class Body>
void for_strided_pixels(const at::Tensor& small, const at::Tensor& large, std::int64_t stride, const Body& body) {
  const std::int64_t channels = large.size(1), height = small.size(2), width = small.size(3);
  for_lines(small.size(0) * height, width * channels, [&](std::int64_t line) {
    const std::int64_t image = line / height, y = line % height;
    const std::int64_t row = (image * large.size(2) + y * stride) * large.size(3);
    for (std::int64_t x = 0; x < width; ++x) body((line * width + x) * channels, (row + x * stride) * channels);
  });
}

// Calls body(in_rows, in_map) for the offsets of the runs of scale * channels numbers that lie together both in
// [N H W, s s K] and in [N, s H, s W, K].
template <class Body>
void for_window_rows(const std::array<std::int64_t, 3>& size, std::int64_t scale, std::int64_t channels,
                     const Body& body) {
  const auto [batch, height, width] = size;
  const std::int64_t run = scale * channels;
  for_lines(batch * height * scale, width * run, [&, width = width](std::int64_t line) {
    const std::int64_t pixel = line / scale * width, part = line % scale;
    for (std::int64_t x = 0; x < width; ++x) body(((pixel + x) * scale + part) * run, (line * width + x) * run);
  });
}

class SpreadWindows : public torch::autograd::Function<SpreadWindows> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& rows, std::int64_t batch,
                            std::int64_t height, std::int64_t width, std::int64_t scale) {
    context->saved_data["size"] = std::vector<std::int64_t>{batch, height, width, scale};
    const at::Tensor from = rows.contiguous();
    const std::int64_t channels = rows.size(1) / (scale * scale);
    at::Tensor map = at::empty({batch, channels, height * scale, width * scale}, from.options(),
                               at::MemoryFormat::ChannelsLast);
    const float* const in = from.data_ptr<float>();
    float* const out = map.data_ptr<float>();
    for_window_rows({batch, height, width}, scale, channels, [&](std::int64_t in_rows, std::int64_t in_map) {
      std::copy_n(in + in_rows, scale * channels, out + in_map);
    });
    return map;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const std::vector<std::int64_t> size = context->saved_data["size"].toIntVector();
    const at::Tensor map = channels_last(gradients[0]);
    const std::int64_t channels = map.size(1);
    at::Tensor rows = at::empty({size[0] * size[1] * size[2], size[3] * size[3] * channels}, map.options());
    const float* const in = map.data_ptr<float>();
    float* const out = rows.data_ptr<float>();
    for_window_rows({size[0], size[1], size[2]}, size[3], channels, [&](std::int64_t in_rows, std::int64_t in_map) {
      std::copy_n(in + in_map, size[3] * channels, out + in_rows);
    });
    return {rows, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

class ScaledRows : public torch::autograd::Function<ScaledRows> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& weight,
                            const at::Tensor& scale) {
    context->save_for_backward({scale});
    return multiply_each_row(weight, scale);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {multiply_each_row(gradients[0], context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor column_sums(const at::Tensor& rows) {
  const at::Tensor values = rows.contiguous();
  const std::int64_t count = values.size(0), columns = values.size(1);
  at::Tensor result = at::zeros({columns}, values.options().requires_grad(false));
  if (values.numel() == 0) return result;
  const std::int64_t chunks = (count + kChunk - 1) / kChunk;
  const float* const in = values.data_ptr<float>();
  if (chunks == 1) {
    sum_chunk(in, count, columns, result.data_ptr<float>());
    return result;
  }
  const at::Tensor parts = at::empty({chunks, columns}, result.options());
  float* const sums = parts.data_ptr<float>();
  parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      sum_chunk(in + i * kChunk * columns, std::min(kChunk, count - i * kChunk), columns, sums + i * columns);
  });
  sum_chunk(sums, chunks, columns, result.data_ptr<float>());
  return result;
}

at::Tensor zero_map(at::IntArrayRef sizes, const at::TensorOptions& options) {
  constexpr std::int64_t kPiece = 1 << 18;
  at::Tensor map = at::empty(sizes, options.requires_grad(false), at::MemoryFormat::ChannelsLast);
  float* const values = map.data_ptr<float>();
  const std::int64_t count = map.numel();
  parallel_for(0, (count + kPiece - 1) / kPiece, 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill(values + begin * kPiece, values + std::min(end * kPiece, count), 0.0f);
  });
  return map;
}

at::Tensor strided_pixels(const at::Tensor& map, std::int64_t stride) {
  if (stride == 1) return map;
  const at::Tensor large = channels_last(map);
  const std::int64_t height = (map.size(2) + stride - 1) / stride, width = (map.size(3) + stride - 1) / stride;
  at::Tensor small = at::empty({map.size(0), map.size(1), height, width}, map.options().requires_grad(false),
                               at::MemoryFormat::ChannelsLast);
  const float* const from = large.data_ptr<float>();
  float* const to = small.data_ptr<float>();
  for_strided_pixels(small, large, stride, [&, channels = map.size(1)](std::int64_t in_small, std::int64_t in_large) {
    std::copy_n(from + in_large, channels, to + in_small);
  });
  return small;
}

void put_strided_pixels(const at::Tensor& pixels, std::int64_t stride, const at::Tensor& map) {
  const at::Tensor small = channels_last(pixels);
  const float* const from = small.data_ptr<float>();
  float* const to = map.data_ptr<float>();
  for_strided_pixels(small, map, stride, [&, channels = map.size(1)](std::int64_t in_small, std::int64_t in_large) {
    std::copy_n(from + in_small, channels, to + in_large);
  });
}

at::Tensor window_sums(const at::Tensor& map, std::int64_t scale) {
  const at::Tensor large = channels_last(map);
  const std::int64_t channels = map.size(1), width = map.size(3) / scale, row = map.size(3) * channels;
  at::Tensor small = at::empty({map.size(0), channels, map.size(2) / scale, width}, map.options().requires_grad(false),
                               at::MemoryFormat::ChannelsLast);
  const float* const from = large.data_ptr<float>();
  float* const to = small.data_ptr<float>();
  const std::vector<float> ones(static_cast<std::size_t>(scale * scale), 1.0f);
  for_lines(small.size(0) * small.size(2), scale * row, [&](std::int64_t line) {
    std::vector<const float*> window(ones.size());
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t i = 0; i < scale * scale; ++i) {
        window[static_cast<std::size_t>(i)] =
            from + (line * scale + i / scale) * row + (x * scale + i % scale) * channels;
      }
      row_ops().weighted_sum(window.data(), ones.data(), static_cast<int>(window.size()),
                             static_cast<std::ptrdiff_t>(channels), false, to + (line * width + x) * channels);
    }
  });
  return small;
}

at::Tensor spread_windows(const at::Tensor& rows, std::int64_t batch, std::int64_t height, std::int64_t width,
                          std::int64_t scale) {
  return SpreadWindows::apply(rows, batch, height, width, scale);
}

at::Tensor scaled_rows(const at::Tensor& weight, const at::Tensor& scale) { return ScaledRows::apply(weight, scale); }

}  // namespace fastermask
