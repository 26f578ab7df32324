// Targets of the mask head from polygons, and the choice between the forms of a mask. From bitmaps: bitmask_target.cpp.
#include "fastermask/kernels/mask_target.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/bitmask_target.h"
#include "fastermask/kernels/polygon.h"

namespace fastermask {
namespace {

void check_mask_target(const Box& roi, int size) {
  FASTERMASK_CHECK(size >= 1 && size <= 4096, "mask_target: the target's size must be 1 to 4096, got {}", size);
  FASTERMASK_CHECK(roi.finite(), "mask_target: the box must be finite, got ({}, {}, {}, {})", roi.x1, roi.y1, roi.x2,
                   roi.y2);
}

// Target pixels per image pixel along one axis. A box thinner than 0.1 counts as 0.1.
double target_scale(int size, float length) { return size / std::max(static_cast<double>(length), 0.1); }

}  // namespace

void polygon_mask_target(const Polygons& polygons, const Box& roi, int size, std::uint8_t* out) {
  check_mask_target(roi, size);
  const double scale_x = target_scale(size, roi.width());
  const double scale_y = target_scale(size, roi.height());
  const std::size_t side = static_cast<std::size_t>(size);
  thread_local std::vector<double> moved;
  thread_local std::vector<std::uint8_t> columns;
  columns.assign(side * side, 0);
  for (const Polygon& polygon : polygons) {
    check_polygon(polygon, "mask_target");
    moved.resize(polygon.size());
    for (std::size_t i = 0; i < polygon.size(); i += 2) {
      moved[i] = (polygon[i] - static_cast<double>(roi.x1)) * scale_x;
      moved[i + 1] = (polygon[i + 1] - static_cast<double>(roi.y1)) * scale_y;
    }
    fill_polygon_columns(moved, size, size, columns.data());
  }
  for (std::size_t y = 0; y < side; ++y) {
    for (std::size_t x = 0; x < side; ++x) out[y * side + x] = columns[x * side + y];
  }
}

void bitmask_mask_target(const BitMask& mask, const Box& roi, int size, std::uint8_t* out) {
  check_mask_target(roi, size);
  BitmaskTarget target(roi, size, mask.height, mask.width);
  target.load(mask);
  target.write(out);
}

void mask_target(const Segmentation& segmentation, const Box& roi, int size, std::uint8_t* out) {
  if (const Polygons* polygons = std::get_if<Polygons>(&segmentation)) {
    polygon_mask_target(*polygons, roi, size, out);
  } else if (const Rle* rle = std::get_if<Rle>(&segmentation)) {
    check_mask_target(roi, size);
    BitmaskTarget target(roi, size, rle->height, rle->width);
    target.load(*rle);
    target.write(out);
  } else {
    fail<DataError>("mask_target: the instance has no mask; train without masks (MODEL.MASK_ON False) or annotate it");
  }
}

void mask_targets(Span<const Segmentation* const> segmentations, Span<const Box> rois, int size, std::uint8_t* out) {
  FASTERMASK_CHECK(segmentations.size() == rois.size(), "mask_target: {} boxes need as many masks, got {}", rois.size(),
                   segmentations.size());
  parallel_for(0, static_cast<std::int64_t>(rois.size()), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::size_t i = static_cast<std::size_t>(r);
      mask_target(*segmentations[i], rois[i], size, out + i * static_cast<std::size_t>(size * size));
    }
  });
}

}  // namespace fastermask
