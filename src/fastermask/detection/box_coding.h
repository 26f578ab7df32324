// Boxes as deltas relative to other boxes. R-CNN (arXiv:1311.2524) appendix C; detectron2 box_regression.py
// Box2BoxTransform.
//   R boxes   K classes
#pragma once

#include <array>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// dw and dh are limited to this before exp, so that a bad early prediction cannot overflow: log(1000 / 16).
constexpr double kScaleClamp = 4.135166556742356;

// (dx, dy, dw, dh), with the coder's weights applied.
using Delta = std::array<float, 4>;
static_assert(sizeof(Delta) == 4 * sizeof(float), "Delta must be four packed floats");

// dx = wx (x_target - x_source) / width_source, dw = ww ln(width_target / width_source), likewise dy and dh; x, y are
// centres. RPN: weights 1, 1, 1, 1; box head: 10, 10, 5, 5; cascade: also 20, 20, 10, 10 and 30, 30, 15, 15.
struct BoxCoder {
  float wx = 1;
  float wy = 1;
  float ww = 1;
  float wh = 1;

  // The delta that takes `source` to `target`. `source` must have positive width and height (detectron2 asserts it);
  // encode_boxes() checks.
  Delta encode(const Box& source, const Box& target) const;

  // The inverse; not clipped to any image.
  Box decode(const Delta& delta, const Box& box) const;
};

// Deltas of pairs: [R] and [R] -> [R]. Throws Error unless the lengths agree and every source has positive sides.
std::vector<Delta> encode_boxes(const BoxCoder& coder, Span<const Box> sources, Span<const Box> targets);

// Boxes of deltas.
//
//   deltas   [R, K * 4] float32, K groups of (dx, dy, dw, dh) a row (K = 1: class-agnostic)
//   boxes    [R]
//   returns  [R, K] boxes, row-major
//
// Multi-threaded. Throws Error unless deltas.size() is a multiple of 4 R.
Boxes decode_boxes(const BoxCoder& coder, Span<const float> deltas, Span<const Box> boxes);

}  // namespace fastermask
