#include "fastermask/data/preprocess.h"

#include <algorithm>
#include <array>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/row_ops.h"

namespace fastermask {
namespace {

constexpr int kPreprocessMaxChannels = 4;

// Mean and deviation over and over, as row_ops takes those of three channels.
struct NormalisePattern {
  std::array<float, kNormalisePattern> mean;
  std::array<float, kNormalisePattern> deviation;

  NormalisePattern(Span<const float> channel_mean, Span<const float> channel_deviation) {
    for (std::size_t i = 0; i < kNormalisePattern; ++i) {
      mean[i] = channel_mean[i % channel_mean.size()];
      deviation[i] = channel_deviation[i % channel_mean.size()];
    }
  }
};

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
  const std::size_t row_floats = static_cast<std::size_t>(padded.width) * channels;
  const bool colour = channels == 3;
  const NormalisePattern pattern(mean, std);
  parallel_for(0, padded.height, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t y = begin; y < end; ++y) {
      float* row = destination + static_cast<std::size_t>(y) * row_floats;
      std::size_t filled = 0;
      if (y < image.height) {
        const std::uint8_t* pixels = image.row(static_cast<int>(y));
        filled = image.row_bytes();
        if (colour) {
          row_ops().normalise_row(pixels, static_cast<std::ptrdiff_t>(filled), pattern.mean.data(),
                                  pattern.deviation.data(), row);
        } else {
          for (std::size_t i = 0; i < filled; ++i)
            row[i] = (static_cast<float>(pixels[i]) - mean[i % channels]) / std[i % channels];
        }
      }
      std::fill(row + filled, row + row_floats, 0.0f);
    }
  });
}

}  // namespace fastermask
