#include "fastermask/report/draw_label.h"

#include <algorithm>
#include <cmath>

#include "fastermask/report/palette.h"

namespace fastermask {
namespace {

// Length of the UTF-8 character at text[i]; 0 when it is not one that Cairo takes.
std::size_t utf8_character_length(const std::string& text, std::size_t i) {
  const auto byte = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(i);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (i + length > text.size()) return 0;
  unsigned code = lead & (0x7Fu >> length);
  for (std::size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
    code = (code << 6) | (byte(i + k) & 0x3F);
  }
  const unsigned smallest[5] = {0, 0, 0xA0, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  return code < smallest[length] || code > 0x10FFFF || surrogate || (code & 0xFFFE) == 0xFFFE ? 0 : length;
}

double text_width(cairo_t* context, const std::string& text) {
  cairo_text_extents_t extents;
  cairo_text_extents(context, text.c_str(), &extents);
  return std::max(extents.x_advance, extents.x_bearing + extents.width);
}

bool labels_meet(const Box& a, const Box& b) { return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2; }

}  // namespace

std::string printable_utf8(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_character_length(text, i);
    length == 0 ? result.append("?") : result.append(text, i, length);
    i += std::max<std::size_t>(length, 1);
  }
  return result;
}

LabelPainter::LabelPainter(const DrawCanvas& canvas, double scale) : canvas_(canvas) {
  const ImageSize size = canvas.size();
  const double letters = scale * std::sqrt(static_cast<double>(size.height) * size.width) / 55;
  cairo_select_font_face(canvas.context(), "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(canvas.context(), std::clamp(letters, 9.0, 200.0));
  cairo_font_extents(canvas.context(), &font_);
  padding_ = std::max(1.0, std::round(0.15 * font_.height));
}

// The first of the candidates that meets no other label; the first of all when each does.
Box LabelPainter::place(const Box& box, double width) const {
  const double height = std::ceil(font_.ascent + font_.descent) + padding_;
  const ImageSize size = canvas_.size();
  const auto at = [&](double x, double y) {
    const float left = static_cast<float>(std::floor(std::clamp(x, 0.0, std::max(size.width - width, 0.0))));
    const float top = static_cast<float>(std::floor(std::clamp(y, 0.0, std::max(size.height - height, 0.0))));
    return Box{left, top, left + static_cast<float>(width), top + static_cast<float>(height)};
  };
  const double above = box.y1 - height;
  const Box candidates[] = {at(box.x1, above >= 0 ? above : box.y1),
                            at(box.x2 - width, above >= 0 ? above : box.y1),
                            at(box.x1, box.y1),
                            at(box.x1, box.y2),
                            at(box.x1, box.y2 - height),
                            at(box.x2 - width, box.y2),
                            at(box.x1, above - height)};
  for (const Box& candidate : candidates) {
    const bool free = std::none_of(taken_.begin(), taken_.end(),
                                   [&candidate](const Box& other) { return labels_meet(candidate, other); });
    if (free) return candidate;
  }
  return candidates[0];
}

std::string LabelPainter::shortened(const std::string& text) const {
  const double room = canvas_.size().width - 2 * padding_;
  std::string result = text.substr(0, 2000);  // no picture shows more, and Cairo need not measure it
  if (result.size() < text.size()) {
    while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xC0) == 0x80) result.pop_back();
    if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xC0) result.pop_back();
  }
  if (result.size() == text.size() && text_width(canvas_.context(), result) <= room) return result;
  while (!result.empty() && text_width(canvas_.context(), result + "...") > room) {
    while ((static_cast<unsigned char>(result.back()) & 0xC0) == 0x80) result.pop_back();
    result.pop_back();
  }
  return result.empty() ? result : result + "...";
}

void LabelPainter::paint(const std::string& text, const Box& box, const DrawColour& colour) {
  if (canvas_.size().height < font_.ascent + font_.descent + padding_ + 1) return;
  const std::string shown = shortened(printable_utf8(text));
  if (shown.empty()) return;
  cairo_t* context = canvas_.context();
  const double room = canvas_.size().width;
  const double width = std::min(std::ceil(text_width(context, shown) + 2 * padding_), room);
  const Box plate = place(box, width);
  taken_.push_back(plate);
  cairo_rectangle(context, plate.x1, plate.y1, plate.width(), plate.height());
  set_cairo_colour(context, colour, 0.92);
  cairo_fill(context);
  const double ink = wants_dark_text(colour) ? 0 : 1;
  cairo_set_source_rgb(context, ink, ink, ink);
  cairo_move_to(context, plate.x1 + padding_, plate.y1 + 0.5 * padding_ + font_.ascent);
  cairo_show_text(context, shown.c_str());
  cairo_new_path(context);
}

}  // namespace fastermask
