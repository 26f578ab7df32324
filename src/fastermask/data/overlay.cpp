#include "fastermask/data/overlay.h"

#include <algorithm>
#include <cmath>

#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

using OverlayColour = std::array<std::uint8_t, 3>;

void put_pixel(Image& image, int x, int y, const OverlayColour& colour, int percent) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::uint8_t* pixel = image.row(y) + 3 * x;
  for (std::size_t c = 0; c < 3; ++c) {
    pixel[c] = static_cast<std::uint8_t>((pixel[c] * (100 - percent) + colour[c] * percent) / 100);
  }
}

void fill_rectangle(Image& image, int x_begin, int y_begin, int x_end, int y_end, const OverlayColour& colour) {
  for (int y = std::max(y_begin, 0); y < std::min(y_end, image.height); ++y) {
    for (int x = std::max(x_begin, 0); x < std::min(x_end, image.width); ++x) put_pixel(image, x, y, colour, 100);
  }
}

void outline_box(Image& image, const Box& box, int line, const OverlayColour& colour) {
  const Box inside = clip(box, image.size());
  const int x1 = static_cast<int>(std::lround(inside.x1));
  const int y1 = static_cast<int>(std::lround(inside.y1));
  const int x2 = static_cast<int>(std::lround(inside.x2));
  const int y2 = static_cast<int>(std::lround(inside.y2));
  fill_rectangle(image, x1, y1, x2, y1 + line, colour);
  fill_rectangle(image, x1, y2 - line, x2, y2, colour);
  fill_rectangle(image, x1, y1, x1 + line, y2, colour);
  fill_rectangle(image, x2 - line, y1, x2, y2, colour);
}

// Tints the mask and strengthens its edge.
void tint_mask(Image& image, const BitMask& mask, const OverlayColour& colour) {
  if (mask.height != image.height || mask.width != image.width) return;
  const auto set = [&mask](int x, int y) {
    return x >= 0 && y >= 0 && x < mask.width && y < mask.height && mask.row(y)[x] != 0;
  };
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      if (!set(x, y)) continue;
      const bool edge = !set(x - 1, y) || !set(x + 1, y) || !set(x, y - 1) || !set(x, y + 1);
      put_pixel(image, x, y, colour, edge ? 95 : 40);
    }
  }
}

}  // namespace

std::array<std::uint8_t, 3> class_colour(int category) {
  // Hues a golden-ratio step apart, in two brightnesses.
  const double hue = std::fmod(0.12 + 0.618033988749895 * category, 1.0) * 6;
  const double value = category % 2 == 0 ? 245 : 205;
  OverlayColour colour{};
  const double offsets[3] = {2, 4, 0};  // B, G, R: channel = value * clamp(|((hue + offset) mod 6) - 3| - 1, 0.15, 1)
  for (std::size_t c = 0; c < 3; ++c) {
    const double wave = std::abs(std::fmod(hue + offsets[c], 6.0) - 3) - 1;
    colour[c] = static_cast<std::uint8_t>(value * std::clamp(wave, 0.15, 1.0));
  }
  return colour;
}

void paint_annotations(Image& image, const GroundTruth& instances) {
  const int line = std::max(1, std::min(image.height, image.width) / 300 + 1);
  for (std::size_t i = 0; i < instances.masks.size(); ++i) {
    const OverlayColour colour = class_colour(instances.classes[i]);
    const Segmentation& mask = instances.masks[i];
    if (const auto* polygons = std::get_if<Polygons>(&mask)) {
      tint_mask(image, rle_decode(polygons_to_rle(*polygons, image.height, image.width)), colour);
    } else if (const auto* rle = std::get_if<Rle>(&mask)) {
      tint_mask(image, rle_decode(*rle), colour);
    }
  }
  for (std::size_t i = 0; i < instances.boxes.size(); ++i) {
    outline_box(image, instances.boxes[i], line, class_colour(instances.classes[i]));
  }
  for (const auto& keypoints : instances.keypoints) {
    for (const Keypoint& keypoint : keypoints) {
      if (keypoint.visibility <= 0) continue;
      const int x = static_cast<int>(keypoint.x);
      const int y = static_cast<int>(keypoint.y);
      const int dot = line + 1;
      fill_rectangle(image, x - dot, y - dot, x + dot + 1, y + dot + 1, {255, 255, 255});
      fill_rectangle(image, x - dot + 1, y - dot + 1, x + dot, y + dot, {40, 40, 230});
    }
  }
}

}  // namespace fastermask
