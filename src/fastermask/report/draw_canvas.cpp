#include "fastermask/report/draw_canvas.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "fastermask/base/error.h"

namespace fastermask {

DrawCanvas::DrawCanvas(const Image& bgr, double scale)
    : size_(bgr.size()),
      line_width_(std::max(1.2, scale * std::sqrt(static_cast<double>(bgr.height) * bgr.width) / 320)),
      surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, bgr.width, bgr.height)) {
  const cairo_status_t status = cairo_surface_status(surface_.get());
  if (status != CAIRO_STATUS_SUCCESS) {
    fail("draw: cannot draw on a picture of {} x {} pixels: {}", bgr.height, bgr.width, cairo_status_to_string(status));
  }
  std::uint8_t* pixels = cairo_image_surface_get_data(surface_.get());
  const int stride = cairo_image_surface_get_stride(surface_.get());
  for (int y = 0; y < bgr.height; ++y) {
    const std::uint8_t* source = bgr.row(y);
    std::uint8_t* target = pixels + static_cast<std::ptrdiff_t>(y) * stride;  // RGB24 lies in memory as B, G, R, unused
    for (int x = 0; x < bgr.width; ++x, source += 3, target += 4) std::copy(source, source + 3, target);
  }
  cairo_surface_mark_dirty(surface_.get());
  context_.reset(cairo_create(surface_.get()));
}

void set_cairo_colour(cairo_t* context, const DrawColour& colour, double alpha) {
  cairo_set_source_rgba(context, colour[2] / 255.0, colour[1] / 255.0, colour[0] / 255.0, alpha);
}

void DrawCanvas::mask(const Rle& mask, const DrawColour& colour, double opacity) {
  cairo_surface_flush(surface_.get());
  const PixelCanvas canvas{cairo_image_surface_get_data(surface_.get()),
                           static_cast<std::size_t>(cairo_image_surface_get_stride(surface_.get()))};
  paint_mask(canvas, mask, colour, opacity, line_width_);
  cairo_surface_mark_dirty(surface_.get());
}

void DrawCanvas::stroke_with_rim(const DrawColour& colour) {
  cairo_set_line_width(context(), line_width_ + 2);
  cairo_set_source_rgba(context(), 0, 0, 0, 0.35);
  cairo_stroke_preserve(context());
  cairo_set_line_width(context(), line_width_);
  set_cairo_colour(context(), colour);
  cairo_stroke(context());
}

void DrawCanvas::box(const Box& box, const DrawColour& colour) {
  // Moved in by half a line, so that the line of a box along the border is seen whole.
  const double inset = 0.5 * line_width_;
  cairo_rectangle(context(), box.x1 + inset, box.y1 + inset, std::max(box.width() - 2 * inset, 0.5),
                  std::max(box.height() - 2 * inset, 0.5));
  stroke_with_rim(colour);
}

void DrawCanvas::bone(const Keypoint& from, const Keypoint& to, const DrawColour& colour) {
  cairo_set_line_cap(context(), CAIRO_LINE_CAP_ROUND);
  cairo_move_to(context(), from.x, from.y);
  cairo_line_to(context(), to.x, to.y);
  stroke_with_rim(colour);
}

void DrawCanvas::joint(const Keypoint& point, const DrawColour& colour) {
  const double radius = 1.2 * line_width_ + 0.8;
  cairo_new_sub_path(context());
  cairo_arc(context(), point.x, point.y, radius + 1, 0, 2 * M_PI);
  cairo_set_source_rgb(context(), 1, 1, 1);
  cairo_fill_preserve(context());
  cairo_set_line_width(context(), 1);
  cairo_set_source_rgba(context(), 0, 0, 0, 0.6);
  cairo_stroke(context());
  cairo_arc(context(), point.x, point.y, radius, 0, 2 * M_PI);
  set_cairo_colour(context(), colour);
  cairo_fill(context());
}

Image DrawCanvas::image() const {
  cairo_surface_flush(surface_.get());
  const std::uint8_t* pixels = cairo_image_surface_get_data(surface_.get());
  const int stride = cairo_image_surface_get_stride(surface_.get());
  Image result(size_.height, size_.width);
  for (int y = 0; y < size_.height; ++y) {
    const std::uint8_t* source = pixels + static_cast<std::ptrdiff_t>(y) * stride;
    std::uint8_t* target = result.row(y);
    for (int x = 0; x < size_.width; ++x, source += 4, target += 3) std::copy(source, source + 3, target);
  }
  return result;
}

}  // namespace fastermask
