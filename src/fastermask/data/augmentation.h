// Geometric augmentations, in two steps: first choose (random, from the image size alone), then apply the chosen
// transforms to the image, boxes, polygons, masks and keypoints, which keeps them exactly together.
// detectron2 data/transforms; continuous coordinates: a horizontal flip maps x to width - x.
#pragma once

#include <array>
#include <variant>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/structures/instances.h"
#include "fastermask/structures/image.h"

namespace fastermask {

struct ResizeTransform {
  ImageSize from;
  ImageSize to;
};
struct HorizontalFlip {
  ImageSize size;
};
struct VerticalFlip {
  ImageSize size;
};
struct CropTransform {
  ImageSize from;
  int x = 0;  // of the crop's top left pixel
  int y = 0;
  ImageSize to;
};

using Transform = std::variant<ResizeTransform, HorizontalFlip, VerticalFlip, CropTransform>;
using Transforms = std::vector<Transform>;

enum class FlipMode { none, horizontal, vertical };
enum class CropMode { none, relative, relative_range, absolute, absolute_range };

struct AugmentationOptions {
  std::vector<int> min_sizes = {800};  // short edge; 0: no resizing
  bool min_size_range = false;         // min_sizes = (low, high): any whole number between, both included
  int max_size = 1333;
  FlipMode flip = FlipMode::none;
  double flip_probability = 0.5;
  CropMode crop = CropMode::none;
  double crop_height = 0.9;  // share of the image, or pixels for the absolute modes (range modes: lower and upper end)
  double crop_width = 0.9;
};

// The transforms for one image: crop, resize, flip, in that order.
Transforms choose_transforms(const AugmentationOptions& options, ImageSize size, Random& random);

// True when the transforms flip left and right an odd number of times.
bool flips_horizontally(const Transforms& transforms);

// The size after all transforms.
ImageSize output_size(const Transforms& transforms, ImageSize size);

// The image itself; resizing is Pillow's bilinear.
Image apply_transforms(const Transforms& transforms, Image image);
// The box (x1, y1, x2, y2) around the transformed corners; not clipped.
std::array<double, 4> apply_transforms(const Transforms& transforms, const std::array<double, 4>& box);
// Crops cut polygons at the crop's edges; polygons that vanish are removed.
Polygons apply_transforms(const Transforms& transforms, Polygons polygons);
// Resized by nearest neighbour, as detectron2 does with bitmasks.
Rle apply_transforms(const Transforms& transforms, Rle mask);
// Moves the points only: order and visibility stay (the mapper permutes and hides).
void apply_transforms(const Transforms& transforms, std::vector<Keypoint>& keypoints);

}  // namespace fastermask
