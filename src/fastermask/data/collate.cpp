#include "fastermask/data/collate.h"

#include <utility>

#include "fastermask/base/error.h"
#include "fastermask/data/preprocess.h"

namespace fastermask {
namespace {

ImageSize collated_size(const std::vector<TrainingSample>& samples, const LoaderOptions& options) {
  std::vector<ImageSize> sizes;
  for (const TrainingSample& sample : samples) sizes.push_back(sample.image.size());
  const ImageSize fixed = options.fixed_size;
  if (fixed.height <= 0) return padded_size(sizes, options.size_divisibility);
  for (const TrainingSample& sample : samples) {
    if (sample.image.height > fixed.height || sample.image.width > fixed.width) {
      fail<DataError>(
          "loader: {}: {}x{} pixels after resizing do not fit into INPUT.FIX_SHAPE {}x{} (width x height); lower "
          "INPUT.MAX_SIZE_TRAIN or MAX_SIZE_TEST or raise INPUT.FIX_SHAPE",
          sample.file_name, sample.image.width, sample.image.height, fixed.width, fixed.height);
    }
  }
  return fixed;
}

}  // namespace

Batch collate(std::vector<TrainingSample>&& samples, const LoaderOptions& options, std::int64_t iteration) {
  const ImageSize size = collated_size(samples, options);
  Batch batch;
  batch.iteration = iteration;
  batch.height = size.height;
  batch.width = size.width;
  const std::size_t image_floats =
      static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width) * options.pixel_mean.size();
  batch.images.resize(samples.size() * image_floats);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    TrainingSample& sample = samples[i];
    normalise_into(sample.image, options.pixel_mean, options.pixel_std, batch.images.data() + i * image_floats, size);
    batch.image_sizes.push_back(sample.image.size());
    batch.ground_truths.push_back(std::move(sample.ground_truth));
    batch.image_ids.push_back(sample.image_id);
    batch.file_names.push_back(std::move(sample.file_name));
    batch.original_sizes.push_back(sample.original_size);
    batch.flipped.push_back(sample.flipped);
    sample.image = Image();
  }
  return batch;
}

}  // namespace fastermask
