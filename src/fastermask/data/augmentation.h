// Augmentations in two steps: first choose (random, from the image size alone), then apply the chosen transforms to the
// image, boxes, polygons, masks and keypoints, which keeps them exactly together.
// detectron2 data/transforms; continuous coordinates: a horizontal flip maps x to width - x.
#pragma once

#include <array>
#include <variant>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/base/span.h"
#include "fastermask/config/augmentation_spec.h"
#include "fastermask/kernels/warp.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

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

// The image at the top left of a larger one whose other pixels have one value.
struct PadTransform {
  ImageSize from;
  ImageSize to;
  std::uint8_t value = 0;
};
// Made by make_rotation(). Pixels beyond the image are black.
struct RotationTransform {
  ImageSize from;
  ImageSize to;
  AffineMap points{};  // for continuous coordinates
  AffineMap pixels{};  // the same for places of pixels, which are half a pixel less
};
// Every pixel p becomes weight * p + (1 - weight) * base, the base being 0 (brightness), the image's mean (contrast) or
// the pixel's gray (saturation); or p + shift (lighting). See kernels/colour.h.
struct ColourTransform {
  enum class Kind { brightness, contrast, saturation, lighting };
  Kind kind = Kind::brightness;
  double weight = 1;
  std::array<double, 3> shift{};  // R, G, B
  bool red_first = false;         // the image's channels are R, G, B, not B, G, R
};

using Transform = std::variant<ResizeTransform, HorizontalFlip, VerticalFlip, CropTransform, PadTransform,
                               RotationTransform, ColourTransform>;
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

  std::vector<AugmentationSpec> list;  // INPUT.AUGMENTATIONS: not empty, it takes the place of all the above
  bool red_first = false;              // of the images' channels: for saturation and lighting
};

// The transforms for one image: those of `list`, or else crop, resize, flip, in that order. CopyPaste is passed over
// (the mapper's affair).
Transforms choose_transforms(const AugmentationOptions& options, ImageSize size, Random& random);

// Those of some entries of a list, for an image of this size.
Transforms choose_from_list(Span<const AugmentationSpec> list, ImageSize size, bool red_first, Random& random);

// A turn by `angle` degrees, anticlockwise, about `center` (x, y, in pixels; nullptr: the image's centre). `expand`:
// into an image that holds all of the old one. detectron2 RotationTransform.
RotationTransform make_rotation(ImageSize size, double angle, bool expand, const std::array<double, 2>* center);

// True when the transforms flip left and right an odd number of times.
bool flips_horizontally(const Transforms& transforms);

// True when the transforms cut or turn, so that boxes around the masks are tighter than transformed boxes.
bool changes_outlines(const Transforms& transforms);

// The size after all transforms.
ImageSize output_size(const Transforms& transforms, ImageSize size);

// The image itself; resizing is Pillow's bilinear, turning OpenCV's.
Image apply_transforms(const Transforms& transforms, Image image);
// The box (x1, y1, x2, y2) around the transformed corners; cut at the image's edges before turns and padding, which
// would show what lies beyond, but not in the end.
std::array<double, 4> apply_transforms(const Transforms& transforms, const std::array<double, 4>& box);
// Crops, and turns that keep the image's size, cut polygons at the new edges; polygons that vanish are removed. Turns
// and padding cut them at the old edges first.
Polygons apply_transforms(const Transforms& transforms, Polygons polygons);
// Resized and turned by nearest neighbour, as detectron2 does with bitmasks.
Rle apply_transforms(const Transforms& transforms, Rle mask);
// Moves the points: order stays (the mapper permutes), and so does visibility, except that points beyond the edges are
// hidden before turns and padding. (At the end, the mapper hides those outside.)
void apply_transforms(const Transforms& transforms, std::vector<Keypoint>& keypoints);

}  // namespace fastermask
