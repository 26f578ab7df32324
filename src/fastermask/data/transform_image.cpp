// Applying transforms to images.
#include <algorithm>

#include "fastermask/data/augmentation.h"
#include "fastermask/kernels/colour.h"
#include "fastermask/kernels/resize.h"

namespace fastermask {
namespace {

Image pad_image(const Image& image, const PadTransform& pad) {
  Image padded = Image::unset(pad.to.height, pad.to.width, image.channels);
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

// The transform after number i when it is of kind T, or nullptr.
template <class T>
const T* next_transform(const Transforms& transforms, std::size_t i) {
  return i + 1 < transforms.size() ? std::get_if<T>(&transforms[i + 1]) : nullptr;
}

}  // namespace

Image apply_transforms(const Transforms& transforms, Image image) {
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const auto* resize = std::get_if<ResizeTransform>(&transforms[i]);
    if (resize != nullptr) {  // together with a crop and a flip after it: the same pixels, for less
      const auto* crop = next_transform<CropTransform>(transforms, i);
      if (crop != nullptr) ++i;
      const bool mirrored = next_transform<HorizontalFlip>(transforms, i) != nullptr;
      if (mirrored) ++i;
      if (crop != nullptr || mirrored) {
        const CropTransform part = crop != nullptr ? *crop : CropTransform{resize->to, 0, 0, resize->to};
        const auto resized = mirrored ? resize_bilinear_mirrored : resize_bilinear_part;
        image = resized(image, resize->to, part.y, part.x, part.to);
        continue;
      }
    }
    std::visit(ImageTransformer{image}, transforms[i]);
  }
  return image;
}

}  // namespace fastermask
