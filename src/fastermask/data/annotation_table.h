// Annotations of a whole data set in flat arrays: one small row an annotation, and pools for the numbers of polygons,
// run lengths and keypoints. Polygon coordinates with at most two decimals (all of COCO) are kept as whole hundredths
// in 32 bits, which loses nothing: n / 100.0 is the very double that reading the decimal text gives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fastermask/base/file.h"
#include "fastermask/data/annotation_pool.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

enum class SegmentationKind : std::uint8_t { none, polygons, rle };

// One annotation; its mask and keypoints are looked up through the table.
struct AnnotationRow {
  std::int64_t id = 0;
  std::array<double, 4> xywh{};  // (x, y, width, height), pixels of the original image, as in the file
  double area = 0;
  std::int32_t category = 0;  // contiguous class index
  std::uint32_t segmentation_begin = 0;
  std::uint32_t segmentation_count = 0;  // polygons: their number; rle: 1
  std::uint32_t keypoints_begin = 0;
  std::uint16_t keypoint_count = 0;
  SegmentationKind kind = SegmentationKind::none;
  bool crowd = false;

  // The corners, added up in float32 as detectron2's BoxMode.convert does.
  Box box() const;
};

class AnnotationTable {
 public:
  std::size_t size() const { return rows_.size(); }
  const AnnotationRow& row(std::size_t index) const { return rows_[index]; }

  // The mask of a row, and its keypoints (empty when it has none).
  Segmentation segmentation(const AnnotationRow& row) const;
  std::vector<Keypoint> keypoints(const AnnotationRow& row) const;

  // The coordinates of one of a row's polygons, i < row.segmentation_count.
  void polygon(const AnnotationRow& row, std::size_t i, Polygon& coordinates) const;

  // The smallest and largest coordinates of one of a row's polygons: (x0, y0, x1, y1). Nothing when it has fewer than
  // three points.
  std::optional<std::array<double, 4>> polygon_extent(const AnnotationRow& row, std::size_t i) const;

  // Number of keypoints of a row with visibility > 0.
  int visible_keypoints(const AnnotationRow& row) const;

  // Appends an annotation; the pool fields of `row` are filled in here.
  void add(AnnotationRow row, const Segmentation& segmentation, const std::vector<Keypoint>& keypoints);

  // Appends one row of another table.
  void add_from(const AnnotationTable& other, const AnnotationRow& row);

  // Appends all rows of another table.
  void append(const AnnotationTable& other);

  // Forgets all rows, and keeps the memory.
  void clear();

  // Rearranges the rows in place: row i becomes the former row order[i]. `order` names every row once.
  void arrange(std::vector<std::uint32_t> order);

  // Sets addresses (not memory) aside for the polygons of a JSON text, so that they are never moved while growing.
  void reserve_for_text(std::size_t bytes);

  // Gives back memory reserved while growing.
  void shrink_to_fit();

  // Bytes held in memory of its own; what is mapped from an index is not counted.
  std::size_t memory_bytes() const;

 private:
  friend class AnnotationIndexFile;  // writes the pools to a file and maps them from it

  // One polygon, or one RLE: where its numbers are.
  struct Piece {
    std::uint32_t begin = 0;  // in hundredths_, doubles_ or runs_
    std::uint32_t count = 0;
    std::uint32_t exact_hundredths = 0;  // 1: in hundredths_
  };

  void add_polygon(const Polygon& polygon);

  AnnotationPool<AnnotationRow> rows_;
  AnnotationPool<Piece> pieces_;             // polygons and RLEs, in row order
  AnnotationPool<std::int32_t> hundredths_;  // coordinates * 100
  AnnotationPool<double> doubles_;           // coordinates that hundredths cannot hold
  AnnotationPool<std::uint32_t> runs_;       // height, width, then run lengths of each RLE
  AnnotationPool<Keypoint> keypoints_;
  std::shared_ptr<const MappedFile> file_;  // what pools that are views lie in
};

}  // namespace fastermask
