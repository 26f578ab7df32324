#include "fastermask/data/preprocess.h"

#include <algorithm>
#include <array>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"

namespace fastermask {
namespace {

constexpr int kPreprocessMaxChannels = 4;

// All 256 results of (value - mean) / std for each channel, so that a pixel costs a look-up. The division is done as
// the reference does it, in float32.
using NormaliseTable = std::array<std::array<float, 256>, kPreprocessMaxChannels>;

NormaliseTable make_normalise_table(Span<const float> mean, Span<const float> std) {
  NormaliseTable table{};
  for (std::size_t c = 0; c < mean.size(); ++c) {
    for (std::size_t value = 0; value < 256; ++value) {
      table[c][value] = (static_cast<float>(value) - mean[c]) / std[c];
    }
  }
  return table;
}

void normalise_row(const Image& image, int y, const NormaliseTable& table, float* out) {
  const std::uint8_t* in = image.row(y);
  if (image.channels == 3) {
    for (int x = 0; x < image.width; ++x, in += 3, out += 3) {
      out[0] = table[0][in[0]];
      out[1] = table[1][in[1]];
      out[2] = table[2][in[2]];
    }
    return;
  }
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.row_bytes(); ++i) out[i] = table[i % channels][in[i]];
}

}  // namespace

ImageSize padded_size(Span<const ImageSize> sizes, int divisibility) {
  ImageSize largest;
  for (const ImageSize& size : sizes) {
    largest.height = std::max(largest.height, size.height);
    largest.width = std::max(largest.width, size.width);
  }
  if (divisibility > 1) {
    largest.height = (largest.height + divisibility - 1) / divisibility * divisibility;
    largest.width = (largest.width + divisibility - 1) / divisibility * divisibility;
  }
  return largest;
}

void normalise_into(const Image& image, Span<const float> mean, Span<const float> std, float* destination,
                    ImageSize padded) {
  const std::size_t channels = static_cast<std::size_t>(image.channels);
  FASTERMASK_CHECK(mean.size() == channels && std.size() == channels && channels <= kPreprocessMaxChannels,
                   "preprocess: the image has {} channels, mean has {} values and std {}", channels, mean.size(),
                   std.size());
  FASTERMASK_CHECK(image.height <= padded.height && image.width <= padded.width,
                   "preprocess: an image of {}x{} does not fit into {}x{} (height x width)", image.height, image.width,
                   padded.height, padded.width);
  const NormaliseTable table = make_normalise_table(mean, std);
  const std::size_t row_floats = static_cast<std::size_t>(padded.width) * channels;
  parallel_for(0, padded.height, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y) {
      float* row = destination + static_cast<std::size_t>(y) * row_floats;
      std::size_t filled = 0;
      if (y < image.height) {
        normalise_row(image, static_cast<int>(y), table, row);
        filled = image.row_bytes();
      }
      std::fill(row + filled, row + row_floats, 0.0f);
    }
  });
}

}  // namespace fastermask
