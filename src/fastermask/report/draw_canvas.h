// A picture under Cairo's pen. Internal to the drawing.
#pragma once

#include <cairo.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fastermask/report/mask_paint.h"
#include "fastermask/structures/image.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

using DrawColour = std::array<std::uint8_t, 3>;  // BGR

struct CairoDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

// The picture as a Cairo surface, and strokes whose width goes with its size. Throws Error when Cairo cannot hold it.
class DrawCanvas {
 public:
  DrawCanvas(const Image& bgr, double scale);

  cairo_t* context() const { return context_.get(); }
  ImageSize size() const { return size_; }
  double line_width() const { return line_width_; }

  void mask(const Rle& mask, const DrawColour& colour, double opacity);
  // The box's line, on a thin dark rim that keeps it visible on its own colour.
  void box(const Box& box, const DrawColour& colour);
  void bone(const Keypoint& from, const Keypoint& to, const DrawColour& colour);
  void joint(const Keypoint& point, const DrawColour& colour);

  Image image() const;

 private:
  void stroke_with_rim(const DrawColour& colour);

  ImageSize size_;
  double line_width_;
  std::unique_ptr<cairo_surface_t, CairoDeleter> surface_;
  std::unique_ptr<cairo_t, CairoDeleter> context_;
};

void set_cairo_colour(cairo_t* context, const DrawColour& colour, double alpha = 1);

}  // namespace fastermask
