#include "fastermask/kernels/feature_map.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

// Floats a thread should have to do at least, so that starting it pays.
constexpr std::int64_t kGrainFloats = 1 << 14;
constexpr std::int64_t kMomentPixels = 4096;  // pixels summed together by group_norm; fixed, so that sums are

// Memory of the calling thread, kept from layer to layer.
struct GroupNormScratch {
  std::vector<double> moments;
  std::vector<float> scales, shifts;
};

std::int64_t grain(std::int64_t floats_each) { return std::max<std::int64_t>(1, kGrainFloats / floats_each); }

// Calls body(where the image begins) for each, in parallel.
template <class Body>
void for_each_image(const FeatureMapShape& shape, const Body& body) {
  const std::int64_t size = static_cast<std::int64_t>(shape.height) * shape.width * shape.channels;
  parallel_for(0, shape.batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image) body(image * size);
  });
}

}  // namespace

void max_pool(const FeatureMapShape& shape, const float* input, int kernel, int stride, int padding, float* output) {
  const int out_height = (shape.height + 2 * padding - kernel) / stride + 1;
  const int out_width = (shape.width + 2 * padding - kernel) / stride + 1;
  const auto pool = FASTERMASK_PICK_COPY(max_of_pixels, best_isa());
  const std::int64_t lines = static_cast<std::int64_t>(shape.batch) * out_height;
  parallel_for(0, lines, grain(static_cast<std::int64_t>(out_width) * shape.channels),
               [&](std::int64_t begin, std::int64_t end) {
    thread_local std::vector<const float*> kept;
    std::vector<const float*>& window = kept;
    window.resize(static_cast<std::size_t>(kernel) * static_cast<std::size_t>(kernel));
    for (std::int64_t line = begin; line < end; ++line) {
      const std::int64_t image = line / out_height;
      const int top = static_cast<int>(line % out_height) * stride - padding;
      for (int x = 0; x < out_width; ++x) {
        const int left = x * stride - padding;
        int count = 0;
        for (int y = std::max(top, 0); y < std::min(top + kernel, shape.height); ++y) {
          for (int c = std::max(left, 0); c < std::min(left + kernel, shape.width); ++c) {
            window[static_cast<std::size_t>(count++)] =
                input + ((image * shape.height + y) * shape.width + c) * shape.channels;
          }
        }
        pool(window.data(), count, shape.channels, output + (line * out_width + x) * shape.channels);
      }
    }
  });
}

void scale_channels(const FeatureMapShape& shape, const float* input, const float* scale, const float* shift, bool relu,
                    float* output) {
  const auto apply = FASTERMASK_PICK_COPY(scale_shift_pixel, best_isa());
  parallel_for(0, shape.pixels(), grain(shape.channels), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      apply(input + p * shape.channels, scale, shift, shape.channels, relu, output + p * shape.channels);
    }
  });
}

void group_norm(const FeatureMapShape& shape, const float* input, int groups, double epsilon, const float* weight,
                const float* bias, bool relu, float* output) {
  FASTERMASK_CHECK(groups > 0 && shape.channels % groups == 0, "group norm: {} channels, {} groups", shape.channels,
                   groups);
  const auto add = FASTERMASK_PICK_COPY(add_moments, best_isa());
  const auto apply = FASTERMASK_PICK_COPY(scale_shift_pixel, best_isa());
  const std::int64_t pixels = static_cast<std::int64_t>(shape.height) * shape.width;
  const std::int64_t parts = (pixels + kMomentPixels - 1) / kMomentPixels;
  const auto channels = static_cast<std::size_t>(shape.channels);
  const auto moment_size = 2 * channels;
  thread_local GroupNormScratch kept;
  std::vector<double>& moments = kept.moments;  // of this thread, whoever reads them below
  std::vector<float>&scales = kept.scales, &shifts = kept.shifts;
  moments.assign(static_cast<std::size_t>(shape.batch * parts) * moment_size, 0.0);
  parallel_for(0, shape.batch * parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % parts * kMomentPixels;
      double* sums = moments.data() + static_cast<std::size_t>(i) * moment_size;
      add(input + (i / parts * pixels + first) * shape.channels, std::min(kMomentPixels, pixels - first),
          shape.channels, sums, sums + channels);
    }
  });
  scales.resize(static_cast<std::size_t>(shape.batch) * channels);
  shifts.resize(scales.size());
  const std::size_t group_channels = channels / static_cast<std::size_t>(groups);
  for (std::size_t image = 0; image < static_cast<std::size_t>(shape.batch); ++image) {
    for (std::size_t first = 0; first < channels; first += group_channels) {
      double sum = 0, square = 0;
      for (std::size_t part = 0; part < static_cast<std::size_t>(parts); ++part) {
        const double* sums = moments.data() + (image * static_cast<std::size_t>(parts) + part) * moment_size;
        for (std::size_t c = first; c < first + group_channels; ++c) {
          sum += sums[c];
          square += sums[channels + c];
        }
      }
      const double count = static_cast<double>(pixels) * static_cast<double>(group_channels);
      const double mean = sum / count;
      const double inverse = 1 / std::sqrt(std::max(square / count - mean * mean, 0.0) + epsilon);
      for (std::size_t c = first; c < first + group_channels; ++c) {
        const double scale = static_cast<double>(weight[c]) * inverse;
        scales[image * channels + c] = static_cast<float>(scale);
        shifts[image * channels + c] = static_cast<float>(static_cast<double>(bias[c]) - mean * scale);
      }
    }
  }
  parallel_for(0, shape.pixels(), grain(shape.channels), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t first = p / pixels * shape.channels;
      apply(input + p * shape.channels, scales.data() + first, shifts.data() + first, shape.channels, relu,
            output + p * shape.channels);
    }
  });
}

void upsample_nearest(const FeatureMapShape& shape, const float* input, int scale, float* output) {
  const std::int64_t out_height = static_cast<std::int64_t>(shape.height) * scale;
  const std::int64_t out_width = static_cast<std::int64_t>(shape.width) * scale;
  parallel_for(0, shape.batch * out_height, grain(out_width * shape.channels),
               [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) {
      const float* source =
          input + (line / out_height * shape.height + line % out_height / scale) * shape.width * shape.channels;
      float* out = output + line * out_width * shape.channels;
      for (std::int64_t x = 0; x < out_width; ++x, out += shape.channels) {
        const float* pixel = source + x / scale * shape.channels;
        std::copy(pixel, pixel + shape.channels, out);
      }
    }
  });
}

void upsample_bilinear(const FeatureMapShape& shape, const float* input, int scale, float* output) {
  const std::int64_t out_height = static_cast<std::int64_t>(shape.height) * scale;
  const std::int64_t out_width = static_cast<std::int64_t>(shape.width) * scale;
  struct Sample {
    std::int64_t low, high;
    float fraction;  // of high
  };
  const auto sample = [scale](std::int64_t i, std::int64_t size) {
    const float place =
        std::max((static_cast<float>(i) + 0.5f) / static_cast<float>(scale) - 0.5f, 0.0f);
    const std::int64_t low = std::min(static_cast<std::int64_t>(place), size - 1);
    return Sample{low, std::min(low + 1, size - 1), place - static_cast<float>(low)};
  };
  parallel_for(0, shape.batch * out_height, grain(out_width * shape.channels),
               [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) {
      const Sample y = sample(line % out_height, shape.height);
      const float* image = input + line / out_height * shape.height * shape.width * shape.channels;
      const float* upper = image + y.low * shape.width * shape.channels;
      const float* lower = image + y.high * shape.width * shape.channels;
      float* out = output + line * out_width * shape.channels;
      for (std::int64_t i = 0; i < out_width; ++i, out += shape.channels) {
        const Sample x = sample(i, shape.width);
        const std::int64_t left = x.low * shape.channels;
        const std::int64_t right = x.high * shape.channels;
        for (int c = 0; c < shape.channels; ++c) {
          const float top = (1 - x.fraction) * upper[left + c] + x.fraction * upper[right + c];
          const float bottom = (1 - x.fraction) * lower[left + c] + x.fraction * lower[right + c];
          out[c] = (1 - y.fraction) * top + y.fraction * bottom;
        }
      }
    }
  });
}

void spatial_mean(const FeatureMapShape& shape, const float* input, float* output) {
  const std::int64_t pixels = static_cast<std::int64_t>(shape.height) * shape.width;
  parallel_for(0, shape.batch, grain(pixels * shape.channels), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image) {
      const float* in = input + image * pixels * shape.channels;
      float* out = output + image * shape.channels;
      std::fill(out, out + shape.channels, 0.0f);
      for (std::int64_t p = 0; p < pixels; ++p, in += shape.channels) {
        for (int c = 0; c < shape.channels; ++c) out[c] += in[c];
      }
      for (int c = 0; c < shape.channels; ++c) out[c] /= static_cast<float>(pixels);
    }
  });
}

void flatten_channels_first(const FeatureMapShape& shape, const float* input, float* output) {
  const auto turn = FASTERMASK_PICK_COPY(turn_matrix, best_isa());
  for_each_image(shape, [&](std::int64_t first) {
    turn(input + first, shape.height * shape.width, shape.channels, output + first);
  });
}

void flatten_channels_first(const FeatureMapShape& shape, const Bf16* input, float* output) {
  const auto turn = FASTERMASK_PICK_COPY(turn_matrix_of_bf16, best_isa());
  for_each_image(shape, [&](std::int64_t first) {
    turn(input + first, shape.height * shape.width, shape.channels, output + first);
  });
}

void unflatten_channels_first(const FeatureMapShape& shape, const float* input, float* output) {
  const auto turn = FASTERMASK_PICK_COPY(turn_matrix, best_isa());
  for_each_image(shape, [&](std::int64_t first) {
    turn(input + first, shape.channels, shape.height * shape.width, output + first);
  });
}

void unflatten_channels_first(const FeatureMapShape& shape, const float* input, Bf16* output) {
  const auto turn = FASTERMASK_PICK_COPY(turn_matrix_to_bf16, best_isa());
  for_each_image(shape, [&](std::int64_t first) {
    turn(input + first, shape.channels, shape.height * shape.width, output + first);
  });
}

void add_maps(std::int64_t size, const float* a, const float* b, float factor, bool relu, float* output) {
  const auto add = FASTERMASK_PICK_COPY(add_rows, best_isa());
  static const std::vector<float> zeros(4096, 0.0f);
  constexpr std::int64_t kRow = 4096;
  parallel_for(0, (size + kRow - 1) / kRow, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t first = row * kRow;
      add(a + first, b == nullptr ? zeros.data() : b + first, factor, relu, std::min(kRow, size - first),
          output + first);
    }
  });
}

}  // namespace fastermask
