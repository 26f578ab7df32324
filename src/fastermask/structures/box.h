// Boxes: (x1, y1, x2, y2) in absolute pixels, continuous coordinates. Pixel i covers [i, i + 1), so a width is x2 - x1.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace fastermask {

struct Box {
  float x1 = 0;
  float y1 = 0;
  float x2 = 0;
  float y2 = 0;

  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }
  float area() const { return width() * height(); }
  bool finite() const { return std::isfinite(x1) && std::isfinite(y1) && std::isfinite(x2) && std::isfinite(y2); }
};

inline bool operator==(const Box& a, const Box& b) {
  return a.x1 == b.x1 && a.y1 == b.y1 && a.x2 == b.x2 && a.y2 == b.y2;
}

// Arrays of boxes are arrays of four floats: spans of Box may be viewed as [N, 4] float32.
static_assert(sizeof(Box) == 4 * sizeof(float), "Box must be four packed floats");

using Boxes = std::vector<Box>;

// A size in pixels, always in the order (height, width).
struct ImageSize {
  int height = 0;
  int width = 0;
};

inline bool operator==(const ImageSize& a, const ImageSize& b) { return a.height == b.height && a.width == b.width; }
inline bool operator!=(const ImageSize& a, const ImageSize& b) { return !(a == b); }

// The box with x limited to [0, width] and y to [0, height].
inline Box clip(const Box& box, const ImageSize& size) {
  const float width = static_cast<float>(size.width);
  const float height = static_cast<float>(size.height);
  return {std::min(std::max(box.x1, 0.0f), width), std::min(std::max(box.y1, 0.0f), height),
          std::min(std::max(box.x2, 0.0f), width), std::min(std::max(box.y2, 0.0f), height)};
}

// Intersection over union in float32; 0 when the boxes do not overlap. detectron2 structures/boxes.py pairwise_iou.
inline float iou(const Box& a, const Box& b) {
  const float width = std::max(std::min(a.x2, b.x2) - std::max(a.x1, b.x1), 0.0f);
  const float height = std::max(std::min(a.y2, b.y2) - std::max(a.y1, b.y1), 0.0f);
  const float intersection = width * height;
  return intersection > 0 ? intersection / (a.area() + b.area() - intersection) : 0.0f;
}

}  // namespace fastermask
