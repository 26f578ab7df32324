#include "fastermask/data/augmentation.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/data/polygon_clip.h"
#include "fastermask/kernels/resize.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

// One visitor for each kind of thing that is transformed.
template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

int random_between(Random& random, int low, int high) {
  return low + static_cast<int>(random.uniform_int(static_cast<std::int64_t>(high) - low + 1));
}

ImageSize choose_crop_size(const AugmentationOptions& options, ImageSize size, Random& random) {
  const double h = size.height;
  const double w = size.width;
  switch (options.crop) {
    case CropMode::none: break;
    case CropMode::relative:
      return {static_cast<int>(h * options.crop_height + 0.5), static_cast<int>(w * options.crop_width + 0.5)};
    case CropMode::relative_range: {
      const double height = options.crop_height + random.uniform() * (1 - options.crop_height);
      const double width = options.crop_width + random.uniform() * (1 - options.crop_width);
      return {static_cast<int>(h * height + 0.5), static_cast<int>(w * width + 0.5)};
    }
    case CropMode::absolute:
      return {static_cast<int>(std::min(options.crop_height, h)), static_cast<int>(std::min(options.crop_width, w))};
    case CropMode::absolute_range: {
      const int low = static_cast<int>(options.crop_height);
      const int high = static_cast<int>(options.crop_width);
      const int height = random_between(random, std::min(size.height, low), std::min(size.height, high));
      const int width = random_between(random, std::min(size.width, low), std::min(size.width, high));
      return {height, width};
    }
  }
  return size;
}

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

CropTransform choose_crop(const AugmentationOptions& options, ImageSize size, Random& random) {
  check_crop(options);
  ImageSize crop = choose_crop_size(options, size, random);
  crop = {std::clamp(crop.height, 1, size.height), std::clamp(crop.width, 1, size.width)};
  CropTransform transform;
  transform.from = size;
  transform.to = crop;
  transform.y = random_between(random, 0, size.height - crop.height);
  transform.x = random_between(random, 0, size.width - crop.width);
  return transform;
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

// Moves a point (x, y).
void transform_point(const Transform& transform, double& x, double& y) {
  std::visit(Overloaded{[&](const ResizeTransform& resize) {
                          x *= resize.to.width * 1.0 / resize.from.width;
                          y *= resize.to.height * 1.0 / resize.from.height;
                        },
                        [&](const HorizontalFlip& flip) { x = flip.size.width - x; },
                        [&](const VerticalFlip& flip) { y = flip.size.height - y; },
                        [&](const CropTransform& crop) {
                          x -= crop.x;
                          y -= crop.y;
                        }},
             transform);
}

Image crop_image(const Image& image, const CropTransform& crop) {
  Image part(crop.to.height, crop.to.width, image.channels);
  const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(crop.x) * image.channels;
  for (int y = 0; y < part.height; ++y) {
    const std::uint8_t* from = image.row(crop.y + y) + offset;
    std::copy(from, from + part.row_bytes(), part.row(y));
  }
  return part;
}

}  // namespace

Transforms choose_transforms(const AugmentationOptions& options, ImageSize size, Random& random) {
  Transforms transforms;
  if (options.crop != CropMode::none) {
    const CropTransform crop = choose_crop(options, size, random);
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

bool flips_horizontally(const Transforms& transforms) {
  return std::count_if(transforms.begin(), transforms.end(),
                       [](const Transform& t) { return std::holds_alternative<HorizontalFlip>(t); }) %
             2 ==
         1;
}

ImageSize output_size(const Transforms& transforms, ImageSize size) {
  for (const Transform& transform : transforms) {
    if (const auto* resize = std::get_if<ResizeTransform>(&transform)) size = resize->to;
    if (const auto* crop = std::get_if<CropTransform>(&transform)) size = crop->to;
  }
  return size;
}

Image apply_transforms(const Transforms& transforms, Image image) {
  for (const Transform& transform : transforms) {
    std::visit(Overloaded{[&](const ResizeTransform& resize) {
                            if (resize.to != image.size()) image = resize_bilinear(image, resize.to);
                          },
                          [&](const HorizontalFlip&) { flip_horizontal(image); },
                          [&](const VerticalFlip&) { flip_vertical(image); },
                          [&](const CropTransform& crop) { image = crop_image(image, crop); }},
               transform);
  }
  return image;
}

std::array<double, 4> apply_transforms(const Transforms& transforms, const std::array<double, 4>& box) {
  std::array<double, 4> out = box;
  for (const Transform& transform : transforms) {
    transform_point(transform, out[0], out[1]);
    transform_point(transform, out[2], out[3]);
  }
  if (out[0] > out[2]) std::swap(out[0], out[2]);
  if (out[1] > out[3]) std::swap(out[1], out[3]);
  return out;
}

Polygons apply_transforms(const Transforms& transforms, Polygons polygons) {
  for (const Transform& transform : transforms) {
    for (Polygon& polygon : polygons) {
      for (std::size_t i = 0; i + 1 < polygon.size(); i += 2) transform_point(transform, polygon[i], polygon[i + 1]);
    }
    if (const auto* crop = std::get_if<CropTransform>(&transform)) {
      Polygons parts;
      for (const Polygon& polygon : polygons) {
        for (Polygon& part : clip_polygon(polygon, crop->to.width, crop->to.height)) parts.push_back(std::move(part));
      }
      polygons = std::move(parts);
    }
  }
  return polygons;
}

Rle apply_transforms(const Transforms& transforms, Rle mask) {
  for (const Transform& transform : transforms) {
    std::visit(Overloaded{[&](const ResizeTransform& resize) { mask = rle_resize_nearest(mask, resize.to); },
                          [&](const HorizontalFlip&) { mask = rle_flip_horizontal(mask); },
                          [&](const VerticalFlip&) { mask = rle_flip_vertical(mask); },
                          [&](const CropTransform& crop) {
                            mask = rle_crop(mask, crop.y, crop.x, crop.to.height, crop.to.width);
                          }},
               transform);
  }
  return mask;
}

void apply_transforms(const Transforms& transforms, std::vector<Keypoint>& keypoints) {
  for (Keypoint& keypoint : keypoints) {
    double x = keypoint.x;
    double y = keypoint.y;
    for (const Transform& transform : transforms) transform_point(transform, x, y);
    keypoint.x = static_cast<float>(x);
    keypoint.y = static_cast<float>(y);
  }
}

}  // namespace fastermask
