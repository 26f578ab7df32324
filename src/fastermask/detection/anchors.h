// Anchors: the boxes of fixed shapes that the RPN places on every cell of every feature map.
//   L levels   A anchors a cell   (H, W) a feature map's size
#pragma once

#include <cstddef>
#include <vector>

#include "fastermask/base/span.h"
#include "fastermask/structures/box.h"

namespace fastermask {

// A level's part of a list that holds all levels one after the other: [begin, end).
struct LevelRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

// The anchors of all levels of one image batch.
struct GridAnchors {
  Boxes boxes;                     // [R] over all levels; in a level by y, x, anchor
  std::vector<LevelRange> levels;  // [L]
};

// A cell has sizes (outer) x ratios (inner): area = size^2, width = sqrt(area / ratio), height = ratio * width, centred
// on the cell's corner moved by `offset` strides. Doubles rounded once to float32, shifts added in float32, as
// detectron2 anchor_generator.py DefaultAnchorGenerator does: same numbers.
class AnchorGenerator {
 public:
  //   sizes          [L] or [1] (then for every level), each a list of square roots of areas, in input pixels
  //   aspect_ratios  [L] or [1], each a list of height / width
  //   strides        [L] input pixels per cell
  //   offset         in [0, 1): where in its cell an anchor's centre lies, in strides
  // Throws ConfigError when the numbers of levels do not fit, a list is empty, or a value is out of range.
  AnchorGenerator(std::vector<std::vector<double>> sizes, std::vector<std::vector<double>> aspect_ratios,
                  std::vector<int> strides, double offset = 0.0);

  int stride(int level) const { return strides_.at(static_cast<std::size_t>(level)); }  // input pixels a cell
  double offset() const { return offset_; }                                             // in strides
  int num_levels() const { return static_cast<int>(strides_.size()); }
  int num_anchors(int level) const { return static_cast<int>(cell_anchors(level).size()); }  // A

  // The A anchors of a level's cell, centred on (0, 0).
  const Boxes& cell_anchors(int level) const { return cell_anchors_.at(static_cast<std::size_t>(level)); }

  // The anchors for feature maps of these sizes, one a level. Throws Error when their number is not num_levels().
  GridAnchors grid_anchors(Span<const ImageSize> grid_sizes) const;

 private:
  std::vector<Boxes> cell_anchors_;  // [level][anchor]
  std::vector<int> strides_;         // [level]
  double offset_;
};

}  // namespace fastermask
