#include "fastermask/runtime/input_batch.h"

#include "fastermask/base/error.h"
#include "fastermask/data/preprocess.h"
#include "fastermask/kernels/resize.h"

namespace fastermask {

namespace {

// The common size that pictures are padded to: INPUT.FIX_SHAPE (width, height), or the largest rounded up.
ImageSize input_size(const std::vector<ImageSize>& sizes, const std::vector<int>& fix_shape, int size_divisibility) {
  if (fix_shape.size() != 2) return padded_size(sizes, size_divisibility);
  for (const ImageSize& size : sizes) {
    if (size.width <= fix_shape[0] && size.height <= fix_shape[1]) continue;
    fail<ConfigError>(
        "config: INPUT.FIX_SHAPE: {}x{} pixels after resizing do not fit into {}x{} (width x height); lower "
        "INPUT.MAX_SIZE_TEST or raise INPUT.FIX_SHAPE",
        size.width, size.height, fix_shape[0], fix_shape[1]);
  }
  return {fix_shape[1], fix_shape[0]};
}

}  // namespace

Batch make_input_batch(Span<const Image> images, const Config& config, int size_divisibility) {
  Batch batch;
  std::vector<Image> resized;
  for (const Image& image : images) {
    const ImageSize size =
        resize_shortest_edge_size(image.size(), config.input.min_size_test, config.input.max_size_test);
    resized.push_back(size == image.size() ? image : resize_bilinear(image, size));
    batch.image_sizes.push_back(size);
    batch.original_sizes.push_back(image.size());
  }
  const ImageSize padded = input_size(batch.image_sizes, config.input.fix_shape, size_divisibility);
  batch.height = padded.height;
  batch.width = padded.width;
  batch.ground_truths.resize(resized.size());
  batch.flipped.assign(resized.size(), false);
  const std::vector<float> mean(config.model.pixel_mean.begin(), config.model.pixel_mean.end());
  const std::vector<float> deviation(config.model.pixel_std.begin(), config.model.pixel_std.end());
  const std::size_t image_floats =
      static_cast<std::size_t>(padded.height) * static_cast<std::size_t>(padded.width) * mean.size();
  batch.images.resize(resized.size() * image_floats);
  for (std::size_t i = 0; i < resized.size(); ++i) {
    normalise_into(resized[i], mean, deviation, batch.images.data() + i * image_floats, padded);
  }
  return batch;
}

}  // namespace fastermask
