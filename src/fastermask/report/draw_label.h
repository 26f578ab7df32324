// Labels of drawn instances: where they go and how they look. Internal to the drawing.
#pragma once

#include <string>
#include <vector>

#include "fastermask/report/draw_canvas.h"

namespace fastermask {

// Puts one label after the other on plates of the instances' colours, inside the picture and, where there is room, off
// the labels before.
class LabelPainter {
 public:
  LabelPainter(const DrawCanvas& canvas, double scale);

  // A label at `box`: above its top left corner, or else inside or below it. Text too long for the picture is cut and
  // ends in "..."; none is drawn when the picture is lower than a line of text.
  void paint(const std::string& text, const Box& box, const DrawColour& colour);

 private:
  Box place(const Box& box, double width) const;
  std::string shortened(const std::string& text) const;

  const DrawCanvas& canvas_;
  double padding_;
  cairo_font_extents_t font_{};
  std::vector<Box> taken_;
};

// `text` as Cairo takes it: bytes that are not UTF-8 and control characters become '?'.
std::string printable_utf8(const std::string& text);

}  // namespace fastermask
