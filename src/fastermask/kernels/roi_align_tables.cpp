#include "fastermask/kernels/roi_align_tables.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/roi_axis.h"

namespace fastermask {
namespace {

constexpr std::size_t kRoisOfOnePart = 32;
constexpr std::size_t kMostEntries = std::numeric_limits<int>::max();

// Appends an axis whose items start at `starts` of `indices` and `weights`.
RoiTableAxis append_axis(RoiTables& tables, int first, const std::vector<int>& starts, const std::vector<int>& indices,
                         const std::vector<float>& weights) {
  const auto offset = static_cast<int>(tables.indices.size());
  const RoiTableAxis axis = {first, static_cast<int>(starts.size()) - 1, static_cast<int>(tables.starts.size())};
  for (const int start : starts) tables.starts.push_back(offset + start);
  tables.indices.insert(tables.indices.end(), indices.begin(), indices.end());
  tables.weights.insert(tables.weights.end(), weights.begin(), weights.end());
  return axis;
}

RoiTableAxis append_bins(RoiTables& tables, const RoiExtent& extent, int pooled, int length, RoiAxis& axis) {
  make_roi_axis(extent, pooled, length, axis);
  return append_axis(tables, 0, axis.starts, axis.pixels, axis.weights);
}

RoiTableAxis append_pixels(RoiTables& tables, const RoiExtent& extent, int pooled, int length, RoiAxis& axis) {
  make_roi_axis(extent, pooled, length, axis);
  RoiAxisByPixel by_pixel;
  transpose_roi_axis(axis, by_pixel);
  return append_axis(tables, by_pixel.first, by_pixel.starts, by_pixel.bins, by_pixel.weights);
}

// Appends the tables of some rois to those of the ones before them.
void append_tables(RoiTables& all, const RoiTables& part) {
  FASTERMASK_CHECK(
      all.indices.size() + part.indices.size() < kMostEntries && all.starts.size() + part.starts.size() < kMostEntries,
      "roi_align: the rois touch more than {} pixels; take fewer at once", kMostEntries);
  const auto starts = static_cast<int>(all.starts.size()), entries = static_cast<int>(all.indices.size());
  for (RoiTableRecord record : part.rois) {
    record.rows.begin += starts;
    record.columns.begin += starts;
    all.rois.push_back(record);
  }
  for (const int start : part.starts) all.starts.push_back(entries + start);
  all.indices.insert(all.indices.end(), part.indices.begin(), part.indices.end());
  all.weights.insert(all.weights.end(), part.weights.begin(), part.weights.end());
}

template <class AppendAxis>
RoiTables make_roi_tables(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params,
                          const AppendAxis& append) {
  check_roi_arguments(levels, rois, params.pooled_height, params.pooled_width, params.sampling_ratio, "roi_align");
  FASTERMASK_CHECK(levels.size() <= static_cast<std::size_t>(kMostRoiAlignLevels),
                   "roi_align: at most {} levels, got {}", kMostRoiAlignLevels, levels.size());
  std::vector<RoiTables> parts((rois.size() + kRoisOfOnePart - 1) / kRoisOfOnePart);
  parallel_for(0, static_cast<std::int64_t>(parts.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    RoiAxis axis;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      for (std::size_t r = i * kRoisOfOnePart; r < std::min((i + 1) * kRoisOfOnePart, rois.size()); ++r) {
        const Roi& roi = rois[r];
        const FeatureLevel& level = levels[static_cast<std::size_t>(roi.level)];
        const RoiExtent y = roi_extent(roi.box.y1, roi.box.y2, level.spatial_scale, params.pooled_height,
                                       params.sampling_ratio, params.aligned);
        const RoiExtent x = roi_extent(roi.box.x1, roi.box.x2, level.spatial_scale, params.pooled_width,
                                       params.sampling_ratio, params.aligned);
        RoiTableRecord record;
        record.level = roi.level;
        record.image = roi.image;
        record.share = 1.0f / std::max(static_cast<float>(y.samples) * static_cast<float>(x.samples), 1.0f);
        record.rows = append(parts[i], y, params.pooled_height, level.height, axis);
        record.columns = append(parts[i], x, params.pooled_width, level.width, axis);
        parts[i].rois.push_back(record);
      }
    }
  });
  RoiTables all;
  for (const RoiTables& part : parts) append_tables(all, part);
  return all;
}

int tiles_along(int length) { return (length + kRoiTileSize - 1) / kRoiTileSize; }

// Calls visit(tile) for every tile that the roi touches.
template <class Visit>
void visit_tiles(const FeatureLevel& level, int first_tile, const RoiTableRecord& roi, const Visit& visit) {
  if (roi.rows.count == 0 || roi.columns.count == 0) return;
  const int last_y = (roi.rows.first + roi.rows.count - 1) / kRoiTileSize;
  const int last_x = (roi.columns.first + roi.columns.count - 1) / kRoiTileSize;
  for (int y = roi.rows.first / kRoiTileSize; y <= last_y; ++y) {
    for (int x = roi.columns.first / kRoiTileSize; x <= last_x; ++x)
      visit(static_cast<std::size_t>(first_tile +
                                     (roi.image * tiles_along(level.height) + y) * tiles_along(level.width) + x));
  }
}

}  // namespace

RoiTables roi_tables_by_bin(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params) {
  return make_roi_tables(levels, rois, params, append_bins);
}

RoiTables roi_tables_by_pixel(Span<const FeatureLevel> levels, Span<const Roi> rois, const RoiAlignParams& params) {
  return make_roi_tables(levels, rois, params, append_pixels);
}

RoiTiles roi_tiles(Span<const FeatureLevel> levels, const RoiTables& by_pixel) {
  RoiTiles tiles;
  int count = 0;
  for (const FeatureLevel& level : levels) {
    tiles.first.push_back(count);
    count += level.batch * tiles_along(level.height) * tiles_along(level.width);
  }
  const auto visit_all = [&](const auto& visit) {
    for (std::size_t r = 0; r < by_pixel.rois.size(); ++r) {
      const auto level = static_cast<std::size_t>(by_pixel.rois[r].level);
      visit_tiles(levels[level], tiles.first[level], by_pixel.rois[r],
                  [&](std::size_t tile) { visit(tile, static_cast<int>(r)); });
    }
  };
  // Counted, then filled roi by roi: lists come out in rising order.
  tiles.starts.assign(static_cast<std::size_t>(count) + 1, 0);
  visit_all([&](std::size_t tile, int) { ++tiles.starts[tile + 1]; });
  for (std::size_t i = 1; i < tiles.starts.size(); ++i) tiles.starts[i] += tiles.starts[i - 1];
  tiles.rois.resize(static_cast<std::size_t>(tiles.starts.back()));
  std::vector<int> next(tiles.starts.begin(), tiles.starts.end() - 1);
  visit_all([&](std::size_t tile, int r) { tiles.rois[static_cast<std::size_t>(next[tile]++)] = r; });
  return tiles;
}

}  // namespace fastermask
