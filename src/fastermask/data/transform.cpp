// Applying transforms to boxes, polygons, masks and keypoints. (To images: transform_image.cpp.)
#include <algorithm>
#include <cmath>

#include "fastermask/data/augmentation.h"
#include "fastermask/data/polygon_clip.h"
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
                        },
                        [](const PadTransform&) {},
                        [&](const RotationTransform& rotation) {
                          const AffineMap& map = rotation.points;
                          const double moved_x = map[0] * x + map[1] * y + map[2];
                          y = map[3] * x + map[4] * y + map[5];
                          x = moved_x;
                        },
                        [](const ColourTransform&) {}},
             transform);
}

// The frame outside of which nothing may be seen after the transform: that of the image before a turn or padding.
// nullptr for other transforms.
const ImageSize* frame_before(const Transform& transform) {
  if (const auto* pad = std::get_if<PadTransform>(&transform)) return &pad->from;
  if (const auto* rotation = std::get_if<RotationTransform>(&transform)) return &rotation->from;
  return nullptr;
}

// The frame at which outlines are to be cut after the transform; nullptr for none.
const ImageSize* frame_after(const Transform& transform) {
  if (const auto* crop = std::get_if<CropTransform>(&transform)) return &crop->to;
  const auto* rotation = std::get_if<RotationTransform>(&transform);
  return rotation != nullptr && rotation->to == rotation->from ? &rotation->to : nullptr;
}

std::array<double, 4> clip_corners(const std::array<double, 4>& box, ImageSize size) {
  const double width = size.width;
  const double height = size.height;
  return {std::clamp(box[0], 0.0, width), std::clamp(box[1], 0.0, height), std::clamp(box[2], 0.0, width),
          std::clamp(box[3], 0.0, height)};
}

// The box around the turned corners.
std::array<double, 4> turn_box(const Transform& rotation, const std::array<double, 4>& box) {
  std::array<double, 4> xs = {box[0], box[2], box[0], box[2]};
  std::array<double, 4> ys = {box[1], box[1], box[3], box[3]};
  for (std::size_t i = 0; i < 4; ++i) transform_point(rotation, xs[i], ys[i]);
  const auto x = std::minmax_element(xs.begin(), xs.end());
  const auto y = std::minmax_element(ys.begin(), ys.end());
  return {*x.first, *y.first, *x.second, *y.second};
}

Polygons clip_polygons(const Polygons& polygons, ImageSize size) {
  Polygons parts;
  for (const Polygon& polygon : polygons) {
    for (Polygon& part : clip_polygon(polygon, size.width, size.height)) parts.push_back(std::move(part));
  }
  return parts;
}

bool lies_inside(const Polygon& polygon, ImageSize size) {
  for (std::size_t i = 0; i + 1 < polygon.size(); i += 2) {
    if (!(polygon[i] >= 0 && polygon[i] <= size.width && polygon[i + 1] >= 0 && polygon[i + 1] <= size.height)) {
      return false;
    }
  }
  return true;
}

// As clip_polygons, but in the usual case, when nothing lies beyond, there is nothing to do.
void cut_beyond(Polygons& polygons, ImageSize size) {
  const auto inside = [size](const Polygon& polygon) { return lies_inside(polygon, size); };
  if (!std::all_of(polygons.begin(), polygons.end(), inside)) polygons = clip_polygons(polygons, size);
}

}  // namespace

bool flips_horizontally(const Transforms& transforms) {
  return std::count_if(transforms.begin(), transforms.end(),
                       [](const Transform& t) { return std::holds_alternative<HorizontalFlip>(t); }) %
             2 ==
         1;
}

bool changes_outlines(const Transforms& transforms) {
  return std::any_of(transforms.begin(), transforms.end(), [](const Transform& t) {
    return std::holds_alternative<CropTransform>(t) || std::holds_alternative<RotationTransform>(t);
  });
}

ImageSize output_size(const Transforms& transforms, ImageSize size) {
  for (const Transform& transform : transforms) {
    std::visit(
        Overloaded{[&](const ResizeTransform& resize) { size = resize.to; },
                   [&](const CropTransform& crop) { size = crop.to; }, [&](const PadTransform& pad) { size = pad.to; },
                   [&](const RotationTransform& rotation) { size = rotation.to; }, [](const auto&) {}},
        transform);
  }
  return size;
}

std::array<double, 4> apply_transforms(const Transforms& transforms, const std::array<double, 4>& box) {
  std::array<double, 4> out = box;
  const auto order = [&out] {
    if (out[0] > out[2]) std::swap(out[0], out[2]);
    if (out[1] > out[3]) std::swap(out[1], out[3]);
  };
  for (const Transform& transform : transforms) {
    if (const ImageSize* frame = frame_before(transform)) {
      order();
      out = clip_corners(out, *frame);
    }
    if (std::holds_alternative<RotationTransform>(transform)) {
      out = turn_box(transform, out);
      continue;
    }
    transform_point(transform, out[0], out[1]);
    transform_point(transform, out[2], out[3]);
  }
  order();
  return out;
}

Polygons apply_transforms(const Transforms& transforms, Polygons polygons) {
  for (const Transform& transform : transforms) {
    if (const ImageSize* frame = frame_before(transform)) cut_beyond(polygons, *frame);
    for (Polygon& polygon : polygons) {
      for (std::size_t i = 0; i + 1 < polygon.size(); i += 2) transform_point(transform, polygon[i], polygon[i + 1]);
    }
    if (const ImageSize* frame = frame_after(transform)) polygons = clip_polygons(polygons, *frame);
  }
  return polygons;
}

Rle apply_transforms(const Transforms& transforms, Rle mask) {
  for (const Transform& transform : transforms) {
    std::visit(
        Overloaded{
            [&](const ResizeTransform& resize) { mask = rle_resize_nearest(mask, resize.to); },
            [&](const HorizontalFlip&) { mask = rle_flip_horizontal(mask); },
            [&](const VerticalFlip&) { mask = rle_flip_vertical(mask); },
            [&](const CropTransform& crop) { mask = rle_crop(mask, crop.y, crop.x, crop.to.height, crop.to.width); },
            [&](const PadTransform& pad) { mask = rle_pad(mask, 0, 0, pad.to.height, pad.to.width); },
            [&](const RotationTransform& rotation) { mask = warp_affine_nearest(mask, rotation.pixels, rotation.to); },
            [](const ColourTransform&) {}},
        transform);
  }
  return mask;
}

void apply_transforms(const Transforms& transforms, std::vector<Keypoint>& keypoints) {
  for (Keypoint& keypoint : keypoints) {
    double x = keypoint.x;
    double y = keypoint.y;
    for (const Transform& transform : transforms) {
      const ImageSize* frame = frame_before(transform);
      if (frame != nullptr && !(x >= 0 && y >= 0 && x <= frame->width && y <= frame->height)) keypoint.visibility = 0;
      transform_point(transform, x, y);
    }
    keypoint.x = static_cast<float>(x);
    keypoint.y = static_cast<float>(y);
  }
}

}  // namespace fastermask
