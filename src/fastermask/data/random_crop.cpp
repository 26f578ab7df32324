#include "fastermask/data/random_crop.h"

#include <algorithm>

namespace fastermask {
namespace {

ImageSize choose_crop_size(CropMode mode, double crop_height, double crop_width, ImageSize size, Random& random) {
  const double h = size.height;
  const double w = size.width;
  switch (mode) {
    case CropMode::none: break;
    case CropMode::relative: return {static_cast<int>(h * crop_height + 0.5), static_cast<int>(w * crop_width + 0.5)};
    case CropMode::relative_range: {
      const double height = crop_height + random.uniform() * (1 - crop_height);
      const double width = crop_width + random.uniform() * (1 - crop_width);
      return {static_cast<int>(h * height + 0.5), static_cast<int>(w * width + 0.5)};
    }
    case CropMode::absolute:
      return {static_cast<int>(std::min(crop_height, h)), static_cast<int>(std::min(crop_width, w))};
    case CropMode::absolute_range: {
      const int low = static_cast<int>(crop_height);
      const int high = static_cast<int>(crop_width);
      const int height = random_between(random, std::min(size.height, low), std::min(size.height, high));
      const int width = random_between(random, std::min(size.width, low), std::min(size.width, high));
      return {height, width};
    }
  }
  return size;
}

}  // namespace

int random_between(Random& random, int low, int high) {
  return low + static_cast<int>(random.uniform_int(static_cast<std::int64_t>(high) - low + 1));
}

CropTransform choose_crop(CropMode mode, double height, double width, ImageSize size, Random& random) {
  ImageSize crop = choose_crop_size(mode, height, width, size, random);
  crop = {std::clamp(crop.height, 1, size.height), std::clamp(crop.width, 1, size.width)};
  CropTransform transform;
  transform.from = size;
  transform.to = crop;
  transform.y = random_between(random, 0, size.height - crop.height);
  transform.x = random_between(random, 0, size.width - crop.width);
  return transform;
}

}  // namespace fastermask
