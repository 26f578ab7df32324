#include "fastermask/runtime/input_batch.h"

#include "fastermask/data/preprocess.h"
#include "fastermask/kernels/resize.h"

namespace fastermask {

Batch make_input_batch(Span<const Image> images, const Config& config, int size_divisibility) {
  Batch batch;
  std::vector<Image> resized;
  for (const Image& image : images) {
    const ImageSize size = resize_shortest_edge_size(image.size(), config.input.min_size_test, config.input.max_size_test);
    resized.push_back(size == image.size() ? image : resize_bilinear(image, size));
    batch.image_sizes.push_back(size);
    batch.original_sizes.push_back(image.size());
  }
  const ImageSize padded = padded_size(batch.image_sizes, size_divisibility);
  batch.height = padded.height;
  batch.width = padded.width;
  batch.ground_truths.resize(resized.size());
  batch.flipped.assign(resized.size(), false);
  const std::vector<float> mean(config.model.pixel_mean.begin(), config.model.pixel_mean.end());
  const std::vector<float> deviation(config.model.pixel_std.begin(), config.model.pixel_std.end());
  const std::size_t image_floats = static_cast<std::size_t>(padded.height) * static_cast<std::size_t>(padded.width) * mean.size();
  batch.images.resize(resized.size() * image_floats);
  for (std::size_t i = 0; i < resized.size(); ++i) {
    normalise_into(resized[i], mean, deviation, batch.images.data() + i * image_floats, padded);
  }
  return batch;
}

}  // namespace fastermask
