// Choosing transforms by the classic keys: INPUT.CROP, MIN_SIZE_TRAIN, RANDOM_FLIP. (By a list: augmentation_list.cpp.)
#include "fastermask/data/augmentation.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/data/random_crop.h"
#include "fastermask/kernels/resize.h"

namespace fastermask {
namespace {

void check_crop(const AugmentationOptions& options) {
  const double height = options.crop_height;
  const double width = options.crop_width;
  const bool relative = options.crop == CropMode::relative || options.crop == CropMode::relative_range;
  if (relative && !(height > 0 && height <= 1 && width > 0 && width <= 1)) {
    fail<ConfigError>("config: INPUT.CROP.SIZE must be shares in (0, 1] for relative crops, got ({}, {})", height,
                      width);
  }
  if (options.crop == CropMode::absolute && !(height >= 1 && width >= 1)) {
    fail<ConfigError>("config: INPUT.CROP.SIZE must be at least one pixel for absolute crops, got ({}, {})", height,
                      width);
  }
  if (options.crop == CropMode::absolute_range && !(height >= 1 && height <= width)) {
    fail<ConfigError>("config: INPUT.CROP.SIZE must be (lowest, highest) in pixels for absolute_range, got ({}, {})",
                      height, width);
  }
}

int choose_short_edge(const AugmentationOptions& options, Random& random) {
  if (options.min_sizes.empty()) fail<ConfigError>("config: INPUT.MIN_SIZE_TRAIN must name at least one size");
  if (!options.min_size_range) {
    return options
        .min_sizes[static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(options.min_sizes.size())))];
  }
  if (options.min_sizes.size() != 2 || options.min_sizes[0] > options.min_sizes[1]) {
    fail<ConfigError>("config: INPUT.MIN_SIZE_TRAIN must be (lowest, highest) when MIN_SIZE_TRAIN_SAMPLING is range");
  }
  return random_between(random, options.min_sizes[0], options.min_sizes[1]);
}

}  // namespace

Transforms choose_transforms(const AugmentationOptions& options, ImageSize size, Random& random) {
  Transforms transforms;
  if (!options.list.empty()) return choose_from_list(options.list, size, options.red_first, random);
  if (options.crop != CropMode::none) {
    check_crop(options);
    const CropTransform crop = choose_crop(options.crop, options.crop_height, options.crop_width, size, random);
    transforms.emplace_back(crop);
    size = crop.to;
  }
  const int short_edge = choose_short_edge(options, random);
  if (short_edge > 0) {
    const ImageSize resized = resize_shortest_edge_size(size, short_edge, options.max_size);
    transforms.emplace_back(ResizeTransform{size, resized});
    size = resized;
  }
  if (options.flip != FlipMode::none && random.bernoulli(options.flip_probability)) {
    if (options.flip == FlipMode::horizontal) {
      transforms.emplace_back(HorizontalFlip{size});
    } else {
      transforms.emplace_back(VerticalFlip{size});
    }
  }
  return transforms;
}

}  // namespace fastermask
