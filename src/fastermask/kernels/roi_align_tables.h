// Which pixels count with which weights for which bins of which rois, in flat arrays that can be copied to a device:
// what the threads of roi_align_thread.h read.
#pragma once

#include <vector>

#include "fastermask/kernels/roi_align.h"
#include "fastermask/kernels/roi_align_thread.h"

namespace fastermask {

struct RoiTables {
  std::vector<RoiTableRecord> rois;  // [R]
  std::vector<int> starts;
  std::vector<int> indices;
  std::vector<float> weights;

  // Pointers to these vectors, which must not change meanwhile.
  RoiTableView view() const { return {rois.data(), starts.data(), indices.data(), weights.data()}; }
};

// For the forward pass: the pixels of every bin. For the backward pass: the bins of every pixel.
//   levels  sizes and scales; `data` may be null
// Both throw what roi_align_forward() throws, and Error for more levels than kMostRoiAlignLevels or more than 2^31
// entries. Parallel over rois; equal results for every thread count. Thread-safe.
RoiTables roi_tables_by_bin(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params);
RoiTables roi_tables_by_pixel(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params);

// For each tile of kRoiTileSize x kRoiTileSize pixels, the rois that touch it.
struct RoiTiles {
  std::vector<int> first;   // [L] where a level's tiles begin in `starts`
  std::vector<int> starts;  // [all tiles + 1]
  std::vector<int> rois;    // rising within a tile
};
RoiTiles roi_tiles(Span<const FeatureLevel> levels, const RoiTables& by_pixel);

}  // namespace fastermask
