#include "fastermask/report/draw.h"

#include <cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "fastermask/kernels/rle.h"
#include "fastermask/report/mask_layer.h"

namespace fastermask {
namespace {

using Colour = std::array<double, 3>;

// One thing to draw, wherever it came from.
struct DrawnInstance {
  Box box;
  Colour colour;
  std::string label;
  Rle mask;  // empty: none
  const std::vector<Keypoint>* keypoints = nullptr;
};

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
struct ContextDeleter {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

// A Cairo surface over a copy of the picture. Cairo's RGB24 pixels lie in memory as B, G, R, unused.
class Canvas {
 public:
  explicit Canvas(const Image& image)
      : height_(image.height), width_(image.width),
        surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, image.width, image.height)) {
    for (int y = 0; y < height_; ++y) {
      std::uint8_t* target = row(y);
      const std::uint8_t* source = image.row(y);
      for (int x = 0; x < width_; ++x) {
        for (int c = 0; c < 3; ++c) target[4 * x + c] = image.channels == 3 ? source[3 * x + c] : source[x * image.channels];
      }
    }
    cairo_surface_mark_dirty(surface_.get());
    context_.reset(cairo_create(surface_.get()));
    cairo_select_font_face(context(), "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  }

  cairo_t* context() { return context_.get(); }
  // Lines and letters grow with the picture.
  double unit() const { return std::max(1.0, std::sqrt(static_cast<double>(height_) * width_) / 450.0); }
  int height() const { return height_; }
  int width() const { return width_; }

  // Direct access to the pixels, between begin and end.
  void begin_pixels() { cairo_surface_flush(surface_.get()); }
  void end_pixels() { cairo_surface_mark_dirty(surface_.get()); }
  std::uint8_t* row(int y) {
    return cairo_image_surface_get_data(surface_.get()) + static_cast<std::ptrdiff_t>(y) * cairo_image_surface_get_stride(surface_.get());
  }

  Image image() {
    begin_pixels();
    Image result(height_, width_, 3);
    for (int y = 0; y < height_; ++y) {
      const std::uint8_t* source = row(y);
      std::uint8_t* target = result.row(y);
      for (int x = 0; x < width_; ++x) std::memcpy(target + 3 * x, source + 4 * x, 3);
    }
    return result;
  }

 private:
  int height_;
  int width_;
  std::unique_ptr<cairo_surface_t, SurfaceDeleter> surface_;
  std::unique_ptr<cairo_t, ContextDeleter> context_;
};

void draw_mask(Canvas& canvas, const DrawnInstance& instance) {
  if (instance.mask.height != canvas.height() || instance.mask.width != canvas.width()) return;
  const BitMask mask = rle_decode(instance.mask);
  canvas.begin_pixels();
  const std::array<std::uint8_t, 3> bgr = {static_cast<std::uint8_t>(255 * instance.colour[2]),
                                           static_cast<std::uint8_t>(255 * instance.colour[1]),
                                           static_cast<std::uint8_t>(255 * instance.colour[0])};
  for (int y = 0; y < mask.height; ++y) tint_row(mask, y, bgr, 0.45, canvas.row(y));
  canvas.end_pixels();
  cairo_t* context = canvas.context();
  for (const OutlinePath& path : mask_outlines(mask)) {
    cairo_move_to(context, path.front().first, path.front().second);
    for (std::size_t i = 1; i < path.size(); ++i) cairo_line_to(context, path[i].first, path[i].second);
    cairo_close_path(context);
  }
  cairo_set_source_rgb(context, instance.colour[0], instance.colour[1], instance.colour[2]);
  cairo_set_line_width(context, 1.2 * canvas.unit());
  cairo_stroke(context);
}

void draw_box(Canvas& canvas, const DrawnInstance& instance) {
  cairo_t* context = canvas.context();
  cairo_set_line_width(context, 1.4 * canvas.unit());
  cairo_rectangle(context, instance.box.x1, instance.box.y1, instance.box.width(), instance.box.height());
  cairo_set_source_rgb(context, instance.colour[0], instance.colour[1], instance.colour[2]);
  cairo_stroke(context);
}

// A label on a plate of the instance's colour, above the box where there is room, inside the picture always.
void draw_label(Canvas& canvas, const DrawnInstance& instance) {
  cairo_t* context = canvas.context();
  cairo_set_font_size(context, 9.5 * canvas.unit());
  cairo_text_extents_t text;
  cairo_font_extents_t font;
  cairo_text_extents(context, instance.label.c_str(), &text);
  cairo_font_extents(context, &font);
  const double padding = 2 * canvas.unit();
  const double width = text.x_advance + 2 * padding;
  const double height = font.ascent + font.descent + padding;
  const double x = std::clamp<double>(instance.box.x1, 0, std::max(0.0, canvas.width() - width));
  const double above = instance.box.y1 - height;
  const double y = std::clamp<double>(above >= 0 ? above : instance.box.y1, 0, std::max(0.0, canvas.height() - height));
  cairo_rectangle(context, x, y, width, height);
  cairo_set_source_rgba(context, instance.colour[0], instance.colour[1], instance.colour[2], 0.85);
  cairo_fill(context);
  // Black or white letters, whichever stands out from the plate (relative luminance, ITU-R BT.709).
  const double luminance = 0.2126 * instance.colour[0] + 0.7152 * instance.colour[1] + 0.0722 * instance.colour[2];
  const double ink = luminance > 0.5 ? 0 : 1;
  cairo_set_source_rgb(context, ink, ink, ink);
  cairo_move_to(context, x + padding, y + font.ascent + 0.5 * padding);
  cairo_show_text(context, instance.label.c_str());
}

void draw_keypoints(Canvas& canvas, const DrawnInstance& instance, const DrawOptions& options) {
  cairo_t* context = canvas.context();
  const std::vector<Keypoint>& points = *instance.keypoints;
  const auto shown = [&](int index) {
    return index >= 0 && static_cast<std::size_t>(index) < points.size() &&
           points[static_cast<std::size_t>(index)].visibility > options.keypoint_threshold;
  };
  cairo_set_source_rgb(context, instance.colour[0], instance.colour[1], instance.colour[2]);
  cairo_set_line_width(context, 1.5 * canvas.unit());
  for (const auto& [from, to] : options.skeleton) {
    if (!shown(from) || !shown(to)) continue;
    cairo_move_to(context, points[static_cast<std::size_t>(from)].x, points[static_cast<std::size_t>(from)].y);
    cairo_line_to(context, points[static_cast<std::size_t>(to)].x, points[static_cast<std::size_t>(to)].y);
    cairo_stroke(context);
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!shown(static_cast<int>(i))) continue;
    cairo_arc(context, points[i].x, points[i].y, 2.2 * canvas.unit(), 0, 6.2832);
    cairo_fill(context);
  }
}

Image draw_all(const Image& image, const std::vector<DrawnInstance>& instances, const DrawOptions& options) {
  Canvas canvas(image);
  if (options.masks) {
    for (const DrawnInstance& instance : instances) draw_mask(canvas, instance);
  }
  if (options.boxes) {
    for (const DrawnInstance& instance : instances) draw_box(canvas, instance);
  }
  if (options.keypoints) {
    for (const DrawnInstance& instance : instances) {
      if (instance.keypoints != nullptr) draw_keypoints(canvas, instance, options);
    }
  }
  if (options.labels) {
    for (const DrawnInstance& instance : instances) draw_label(canvas, instance);
  }
  return canvas.image();
}

std::string class_label(int index, const std::vector<std::string>& names) {
  return index >= 0 && static_cast<std::size_t>(index) < names.size() ? names[static_cast<std::size_t>(index)]
                                                                      : fmt::format("class {}", index);
}

int colour_number(int class_index, std::size_t instance, std::size_t num_classes, const DrawOptions& options) {
  return options.colour_by_class && num_classes != 1 ? class_index : static_cast<int>(instance);
}

}  // namespace

std::array<double, 3> palette_colour(int number) {
  // Hues a golden angle apart, at three lightnesses, so that neighbours differ for colour-blind eyes too.
  const double hue = std::fmod(0.58 + 0.61803398875 * number, 1.0) * 6;
  const double value = std::array<double, 3>{0.95, 0.75, 1.0}[static_cast<std::size_t>(number % 3)];
  const double saturation = std::array<double, 3>{0.80, 0.85, 0.45}[static_cast<std::size_t>(number % 3)];
  const auto channel = [&](double shift) {
    const double k = std::fmod(shift + hue, 6);
    return value * (1 - saturation * std::clamp(std::min(k, 4 - k), 0.0, 1.0));
  };
  return {channel(5), channel(3), channel(1)};
}

Image draw_detections(const Image& image, const Detections& detections, const std::vector<std::string>& class_names,
                      const DrawOptions& options) {
  std::vector<DrawnInstance> instances;
  for (std::size_t d = detections.size(); d-- > 0;) {  // the best last, on top
    DrawnInstance instance;
    instance.box = detections.boxes[d];
    instance.colour = palette_colour(colour_number(detections.classes[d], d, class_names.size(), options));
    instance.label = fmt::format("{} {:.0f}%", class_label(detections.classes[d], class_names), 100 * detections.scores[d]);
    if (!detections.masks.empty()) instance.mask = detections.masks[d];
    if (!detections.keypoints.empty()) instance.keypoints = &detections.keypoints[d];
    instances.push_back(std::move(instance));
  }
  return draw_all(image, instances, options);
}

Image draw_ground_truth(const Image& image, const GroundTruth& truth, const std::vector<std::string>& class_names,
                        const DrawOptions& options) {
  std::vector<DrawnInstance> instances;
  for (std::size_t g = 0; g < truth.size(); ++g) {
    DrawnInstance instance;
    instance.box = truth.boxes[g];
    instance.colour = palette_colour(colour_number(truth.classes[g], g, class_names.size(), options));
    instance.label = class_label(truth.classes[g], class_names);
    if (!truth.masks.empty()) {
      if (const auto* polygons = std::get_if<Polygons>(&truth.masks[g])) {
        instance.mask = polygons_to_rle(*polygons, image.height, image.width);
      } else if (const auto* rle = std::get_if<Rle>(&truth.masks[g])) {
        instance.mask = *rle;
      }
    }
    if (!truth.keypoints.empty()) instance.keypoints = &truth.keypoints[g];
    instances.push_back(std::move(instance));
  }
  return draw_all(image, instances, options);
}

}  // namespace fastermask
