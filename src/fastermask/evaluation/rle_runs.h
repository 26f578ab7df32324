// Masks as sorted runs, for counting common pixels fast. Internal to the evaluation layer; kernels/rle.h is the plain
// form of all this.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fastermask/structures/mask.h"

namespace fastermask {

// Fills rle.counts from COCO's compressed text; rle.height and rle.width are set already. The same as rle_from_string,
// errors included, but faster and without spare memory.
void unpack_rle_text(std::string_view text, Rle& rle);

// The set pixels of a mask as runs [begin, end) of positions down the columns, and what bounds them.
class MaskRuns {
 public:
  MaskRuns() = default;

  // Takes over another mask; keeps its memory from one call to the next.
  void assign(const Rle& rle);

  // The mask of one polygon from the places at which it changes, rising (kernels/polygon_edges.h).
  void assign_boundaries(const std::vector<std::uint32_t>& positions, int height, int width);

  std::uint64_t area() const { return area_; }

  // Pixels that are set in both. The masks must have one size.
  static std::uint64_t intersection(const MaskRuns& a, const MaskRuns& b);

  // At least the number of pixels that the mask has within [x0, x1] x [y0, y1], from its bounding box alone.
  double bound_within(double x0, double y0, double x1, double y1) const;

  // At least the intersection, from bounding boxes alone.
  static std::uint64_t intersection_bound(const MaskRuns& a, const MaskRuns& b);

 private:
  // Area and bounding box of edges_.
  void measure(std::uint32_t height);

  std::vector<std::uint32_t> edges_;  // begin, end of each run, rising
  std::uint64_t area_ = 0;
  std::uint32_t x1_ = 0, y1_ = 0, x2_ = 0, y2_ = 0;  // bounding box, x2 and y2 exclusive
};

}  // namespace fastermask
