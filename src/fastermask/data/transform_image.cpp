// Applying transforms to images.
#include <algorithm>

#include "fastermask/data/augmentation.h"
#include "fastermask/kernels/colour.h"
#include "fastermask/kernels/resize.h"

namespace fastermask {
namespace {

Image pad_image(const Image& image, const PadTransform& pad) {
  Image padded(pad.to.height, pad.to.width, image.channels);
  for (int y = 0; y < padded.height; ++y) {
    std::uint8_t* row = padded.row(y);
    std::uint8_t* filled = y < image.height ? std::copy(image.row(y), image.row(y) + image.row_bytes(), row) : row;
    std::fill(filled, row + padded.row_bytes(), pad.value);
  }
  return padded;
}

void colour_image(const ColourTransform& colour, Image& image) {
  switch (colour.kind) {
    case ColourTransform::Kind::brightness: return scale_colours(image, colour.weight, 0);
    case ColourTransform::Kind::contrast:
      return scale_colours(image, colour.weight, (1 - colour.weight) * mean_colour(image));
    case ColourTransform::Kind::saturation: return saturate_colours(image, colour.weight, colour.red_first);
    case ColourTransform::Kind::lighting: {
      std::array<double, 3> shift = colour.shift;
      if (!colour.red_first) std::swap(shift[0], shift[2]);
      return shift_colours(image, shift);
    }
  }
}

struct ImageTransformer {
  Image& image;

  void operator()(const ResizeTransform& resize) const {
    if (resize.to != image.size()) image = resize_bilinear(image, resize.to);
  }
  void operator()(const HorizontalFlip&) const { flip_horizontal(image); }
  void operator()(const VerticalFlip&) const { flip_vertical(image); }
  void operator()(const CropTransform& crop) const { image = crop_image(image, crop.y, crop.x, crop.to); }
  void operator()(const PadTransform& pad) const { image = pad_image(image, pad); }
  void operator()(const RotationTransform& rotation) const { image = warp_affine(image, rotation.pixels, rotation.to); }
  void operator()(const ColourTransform& colour) const { colour_image(colour, image); }
};

}  // namespace

Image apply_transforms(const Transforms& transforms, Image image) {
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const auto* resize = std::get_if<ResizeTransform>(&transforms[i]);
    const auto* crop = i + 1 < transforms.size() ? std::get_if<CropTransform>(&transforms[i + 1]) : nullptr;
    if (resize != nullptr && crop != nullptr) {  // only the part that stays is resized: the same pixels
      image = resize_bilinear_part(image, resize->to, crop->y, crop->x, crop->to);
      ++i;
      continue;
    }
    std::visit(ImageTransformer{image}, transforms[i]);
  }
  return image;
}

}  // namespace fastermask
