#include "fastermask/evaluation/coco_ground_truth.h"

#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/json_values.h"
#include "fastermask/kernels/polygon_edges.h"

namespace fastermask {
namespace {

constexpr double kUsualCoordinate = 1e6;  // larger ones are judged where masks are drawn in full

}  // namespace

int CocoGroundTruth::find_image(std::int64_t id) const {
  const auto found = image_index_.find(id);
  return found == image_index_.end() ? -1 : found->second;
}

int CocoGroundTruth::find_category(std::int64_t id) const {
  const auto found = category_index_.find(id);
  return found == category_index_.end() ? -1 : found->second;
}

Span<const GroundTruthAnnotation> CocoGroundTruth::annotations_of(std::size_t image) const {
  const GroundTruthImage& record = images_[image];
  return {annotations_.data() + record.first_annotation, record.annotation_count};
}

Rle CocoGroundTruth::mask(const GroundTruthAnnotation& annotation) const {
  const GroundTruthImage& image = images_[annotation.image];
  const auto complain = [&](const std::string& what) {
    fail<DataError>("ground truth: {}: annotation {} (image {}): {}", name_, annotation.id, image.id, what);
  };
  Segmentation segmentation;
  if (table_.size() > 0) segmentation = table_.segmentation(table_.row(annotation.table_row));
  if (Rle* rle = std::get_if<Rle>(&segmentation)) return std::move(*rle);
  const Polygons* polygons = std::get_if<Polygons>(&segmentation);
  if (polygons == nullptr || polygons->empty()) {
    complain("has no segmentation, which evaluating masks needs; evaluate boxes instead");
  } else if (image.height <= 0 || image.width <= 0) {
    complain("its image has no height and width, which drawing polygons needs");
  }
  try {
    return evaluation_json::draw_polygons(*polygons, image.height, image.width);
  } catch (const evaluation_json::ValueProblem& problem) {
    complain(problem.what());
  }
  return {};
}

void CocoGroundTruth::mask_runs(const GroundTruthAnnotation& annotation, MaskRuns& runs) const {
  thread_local Polygon coordinates;
  thread_local std::vector<std::uint32_t> boundaries;
  const GroundTruthImage& image = images_[annotation.image];
  if (table_.size() > 0 && image.height > 0 && image.width > 0) {
    const AnnotationRow& row = table_.row(annotation.table_row);
    if (row.kind == SegmentationKind::polygons && row.segmentation_count == 1) {
      table_.polygon(row, 0, coordinates);
      bool usual = coordinates.size() >= 6 && coordinates.size() % 2 == 0;
      for (const double value : coordinates) usual = usual && std::abs(value) <= kUsualCoordinate;
      if (usual) {
        find_polygon_boundaries(coordinates, image.height, image.width, boundaries);
        return runs.assign_boundaries(boundaries, image.height, image.width);
      }
    }
  }
  runs.assign(mask(annotation));
}

std::optional<std::array<double, 4>> CocoGroundTruth::mask_extent(const GroundTruthAnnotation& annotation) const {
  constexpr double kRoom = 2;  // pixels: drawing rounds
  const GroundTruthImage& image = images_[annotation.image];
  if (table_.size() == 0 || image.height <= 0 || image.width <= 0) return std::nullopt;
  const AnnotationRow& row = table_.row(annotation.table_row);
  if (row.kind != SegmentationKind::polygons || row.segmentation_count != 1) return std::nullopt;
  std::optional<std::array<double, 4>> extent = table_.polygon_extent(row, 0);
  if (!extent) return std::nullopt;
  for (const double value : *extent) {
    if (!(std::abs(value) <= kUsualCoordinate)) return std::nullopt;
  }
  (*extent)[0] -= kRoom;
  (*extent)[1] -= kRoom;
  (*extent)[2] += kRoom;
  (*extent)[3] += kRoom;
  return extent;
}

Span<const double> CocoGroundTruth::keypoints(const GroundTruthAnnotation& annotation) const {
  return {keypoints_.data() + annotation.keypoints_begin, std::size_t{3} * annotation.keypoint_count};
}

std::size_t CocoGroundTruth::memory_bytes() const {
  return images_.capacity() * sizeof(GroundTruthImage) + annotations_.capacity() * sizeof(GroundTruthAnnotation) +
         table_.memory_bytes() + keypoints_.capacity() * sizeof(double);
}

}  // namespace fastermask
