#include "fastermask/data/annotation_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

// "123.45," and its share of the other fields.
constexpr std::size_t kTextBytesANumber = 7;
constexpr std::size_t kTextBytesARow = 256;  // with the smallest of polygons

// The nearest whole number to |value| < 2^51, ties to even: what is too small for the sum's last place is rounded off.
// (std::nearbyint is a call where SSE4.1 cannot be taken for granted.)
double nearest_whole(double value) {
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52
  return value + kShift - kShift;
}

template <class T>
std::uint32_t pool_position(const AnnotationPool<T>& pool) {
  if (pool.size() > std::numeric_limits<std::uint32_t>::max()) {
    fail<DataError>("dataset: the annotations hold more than 4 billion numbers; split the data set");
  }
  return static_cast<std::uint32_t>(pool.size());
}

// True when every coordinate is a whole number of hundredths that 32 bits hold, so that dividing gives it back exactly.
bool fits_hundredths(const Polygon& polygon) {
  bool fits = true;
  for (const double value : polygon) {
    const double scaled = nearest_whole(value * 100);
    fits &= std::abs(scaled) < 2e9 && scaled / 100.0 == value;
  }
  return fits;
}

}  // namespace

// Not inlined: GCC 12's -O2 vectoriser drops the rounding to float32 where the caller widens the result again (seen in
// the mapper: boxes one unit in the last place off the reference).
__attribute__((noinline)) Box AnnotationRow::box() const {
  const float x = static_cast<float>(xywh[0]);
  const float y = static_cast<float>(xywh[1]);
  return {x, y, x + static_cast<float>(xywh[2]), y + static_cast<float>(xywh[3])};
}

Segmentation AnnotationTable::segmentation(const AnnotationRow& row) const {
  if (row.kind == SegmentationKind::none) return {};
  if (row.kind == SegmentationKind::rle) {
    const Piece& piece = pieces_[row.segmentation_begin];
    Rle rle;
    rle.height = static_cast<int>(runs_[piece.begin]);
    rle.width = static_cast<int>(runs_[piece.begin + 1]);
    rle.counts.assign(runs_.begin() + piece.begin + 2, runs_.begin() + piece.begin + piece.count);
    return rle;
  }
  Polygons polygons(row.segmentation_count);
  for (std::size_t i = 0; i < polygons.size(); ++i) polygon(row, i, polygons[i]);
  return polygons;
}

void AnnotationTable::polygon(const AnnotationRow& row, std::size_t i, Polygon& coordinates) const {
  const Piece& piece = pieces_[row.segmentation_begin + i];
  if (piece.exact_hundredths == 0) {
    coordinates.assign(doubles_.begin() + piece.begin, doubles_.begin() + piece.begin + piece.count);
    return;
  }
  coordinates.resize(piece.count);
  const std::int32_t* hundredths = hundredths_.begin() + piece.begin;
  for (std::size_t k = 0; k < piece.count; ++k) coordinates[k] = hundredths[k] / 100.0;
}

namespace {

// (x0, y0, x1, y1) of alternating coordinates; an odd one at the end counts for nothing.
template <class T>
std::array<double, 4> extent_of(const T* values, std::size_t count, double unit) {
  T x0 = values[0], x1 = values[0], y0 = values[1], y1 = values[1];
  for (std::size_t k = 2; k + 1 < count; k += 2) {
    x0 = std::min(x0, values[k]);
    x1 = std::max(x1, values[k]);
    y0 = std::min(y0, values[k + 1]);
    y1 = std::max(y1, values[k + 1]);
  }
  return {static_cast<double>(x0) / unit, static_cast<double>(y0) / unit, static_cast<double>(x1) / unit,
          static_cast<double>(y1) / unit};
}

}  // namespace

std::optional<std::array<double, 4>> AnnotationTable::polygon_extent(const AnnotationRow& row, std::size_t i) const {
  const Piece& piece = pieces_[row.segmentation_begin + i];
  if (piece.count < 6) return std::nullopt;
  return piece.exact_hundredths == 0 ? extent_of(doubles_.begin() + piece.begin, piece.count, 1)
                                     : extent_of(hundredths_.begin() + piece.begin, piece.count, 100);
}

std::vector<Keypoint> AnnotationTable::keypoints(const AnnotationRow& row) const {
  const Keypoint* begin = keypoints_.begin() + row.keypoints_begin;
  return {begin, begin + row.keypoint_count};
}

int AnnotationTable::visible_keypoints(const AnnotationRow& row) const {
  int count = 0;
  for (std::size_t i = 0; i < row.keypoint_count; ++i) count += keypoints_[row.keypoints_begin + i].visibility > 0;
  return count;
}

void AnnotationTable::add_polygon(const Polygon& polygon) {
  Piece piece;
  piece.count = static_cast<std::uint32_t>(polygon.size());
  piece.exact_hundredths = fits_hundredths(polygon) ? 1 : 0;
  if (piece.exact_hundredths != 0) {
    piece.begin = pool_position(hundredths_);
    for (const double value : polygon) hundredths_.push_back(static_cast<std::int32_t>(nearest_whole(value * 100)));
  } else {
    piece.begin = pool_position(doubles_);
    doubles_.append(polygon.begin(), polygon.end());
  }
  pieces_.push_back(piece);
}

void AnnotationTable::add(AnnotationRow row, const Segmentation& segmentation, const std::vector<Keypoint>& keypoints) {
  row.segmentation_begin = pool_position(pieces_);
  row.segmentation_count = 0;
  row.kind = SegmentationKind::none;
  if (const auto* polygons = std::get_if<Polygons>(&segmentation)) {
    for (const Polygon& polygon : *polygons) add_polygon(polygon);
    row.segmentation_count = static_cast<std::uint32_t>(polygons->size());
    row.kind = SegmentationKind::polygons;
  } else if (const auto* rle = std::get_if<Rle>(&segmentation)) {
    Piece piece;
    piece.begin = pool_position(runs_);
    piece.count = static_cast<std::uint32_t>(rle->counts.size() + 2);
    runs_.push_back(static_cast<std::uint32_t>(rle->height));
    runs_.push_back(static_cast<std::uint32_t>(rle->width));
    runs_.append(rle->counts.begin(), rle->counts.end());
    pieces_.push_back(piece);
    row.segmentation_count = 1;
    row.kind = SegmentationKind::rle;
  }
  row.keypoints_begin = pool_position(keypoints_);
  row.keypoint_count = static_cast<std::uint16_t>(keypoints.size());
  keypoints_.append(keypoints.begin(), keypoints.end());
  rows_.push_back(row);
}

void AnnotationTable::add_from(const AnnotationTable& other, const AnnotationRow& row) {
  add(row, other.segmentation(row), other.keypoints(row));
}

void AnnotationTable::append(const AnnotationTable& other) {
  const std::uint32_t pieces = pool_position(pieces_);
  const std::uint32_t hundredths = pool_position(hundredths_);
  const std::uint32_t doubles = pool_position(doubles_);
  const std::uint32_t runs = pool_position(runs_);
  const std::uint32_t keypoints = pool_position(keypoints_);
  const std::size_t first_row = rows_.size();
  rows_.append(other.rows_.begin(), other.rows_.end());
  pieces_.append(other.pieces_.begin(), other.pieces_.end());
  hundredths_.append(other.hundredths_.begin(), other.hundredths_.end());
  doubles_.append(other.doubles_.begin(), other.doubles_.end());
  runs_.append(other.runs_.begin(), other.runs_.end());
  keypoints_.append(other.keypoints_.begin(), other.keypoints_.end());
  for (std::size_t i = first_row; i < rows_.size(); ++i) {
    AnnotationRow& row = rows_.at_own(i);
    row.segmentation_begin += pieces;
    row.keypoints_begin += keypoints;
    for (std::uint32_t k = 0; k < row.segmentation_count; ++k) {
      Piece& piece = pieces_.at_own(row.segmentation_begin + k);
      piece.begin += row.kind == SegmentationKind::rle ? runs : piece.exact_hundredths != 0 ? hundredths : doubles;
    }
  }
}

void AnnotationTable::clear() {
  rows_.clear();
  pieces_.clear();
  hundredths_.clear();
  doubles_.clear();
  runs_.clear();
  keypoints_.clear();
  file_.reset();
}

void AnnotationTable::arrange(std::vector<std::uint32_t> order) { rows_.arrange(order); }

void AnnotationTable::reserve_for_text(std::size_t bytes) {
  hundredths_.reserve(bytes / kTextBytesANumber);
  rows_.reserve(bytes / kTextBytesARow);
}

// Not rows_ and hundredths_: shrinking copies, and pages set aside but never written take no memory.
void AnnotationTable::shrink_to_fit() {
  pieces_.shrink_to_fit();
  doubles_.shrink_to_fit();
  runs_.shrink_to_fit();
  keypoints_.shrink_to_fit();
}

std::size_t AnnotationTable::memory_bytes() const {
  return rows_.memory_bytes() + pieces_.memory_bytes() + hundredths_.memory_bytes() + doubles_.memory_bytes() +
         runs_.memory_bytes() + keypoints_.memory_bytes();
}

}  // namespace fastermask
