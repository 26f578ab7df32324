#include "fastermask/data/mapper.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/kernels/polygon.h"
#include "fastermask/kernels/rle.h"

namespace fastermask {
namespace {

// detectron2 filter_empty_instances.
constexpr float kEmptyBoxSide = 1e-5f;

bool mask_is_empty(const Segmentation& mask) {
  if (const auto* polygons = std::get_if<Polygons>(&mask)) return polygons->empty();
  if (const auto* rle = std::get_if<Rle>(&mask)) return rle->counts.size() < 2;
  return true;
}

Segmentation transform_mask(const Segmentation& mask, const Transforms& transforms, ImageSize size, bool bitmask) {
  if (const auto* rle = std::get_if<Rle>(&mask)) return apply_transforms(transforms, *rle);
  const auto* polygons = std::get_if<Polygons>(&mask);
  if (polygons == nullptr) return {};
  Polygons moved = apply_transforms(transforms, *polygons);
  if (!bitmask || moved.empty()) return moved;
  Rle rle = polygons_to_rle(moved, size.height, size.width);
  if (rle_area(rle) == 0) return {};
  return rle;
}

// The box of a mask that was cut by a crop.
Box box_of_mask(const Segmentation& mask) {
  if (const auto* polygons = std::get_if<Polygons>(&mask)) return polygons_bounding_box(*polygons);
  const auto xywh = rle_to_xywh(std::get<Rle>(mask));
  return {static_cast<float>(xywh[0]), static_cast<float>(xywh[1]), static_cast<float>(xywh[0] + xywh[2]),
          static_cast<float>(xywh[1] + xywh[3])};
}

// The corners are float32, the transforms double: the reference's order of roundings.
Box transform_box(const Box& original, const Transforms& transforms, ImageSize size) {
  const std::array<double, 4> corners = {original.x1, original.y1, original.x2, original.y2};
  const std::array<double, 4> box = apply_transforms(transforms, corners);
  const auto limit = [](double value, int extent) {
    return static_cast<float>(std::min(std::max(value, 0.0), static_cast<double>(extent)));
  };
  return {limit(box[0], size.width), limit(box[1], size.height), limit(box[2], size.width), limit(box[3], size.height)};
}

std::vector<Keypoint> transform_keypoints(std::vector<Keypoint> keypoints, const Transforms& transforms, ImageSize size,
                                          const std::vector<int>& flip_indices) {
  apply_transforms(transforms, keypoints);
  for (Keypoint& keypoint : keypoints) {
    const bool inside = keypoint.x >= 0 && keypoint.y >= 0 && keypoint.x <= static_cast<float>(size.width) &&
                        keypoint.y <= static_cast<float>(size.height);
    if (!inside) keypoint.visibility = 0;
  }
  keypoints.resize(flip_indices.size());  // an instance without keypoints gets K hidden ones
  if (flips_horizontally(transforms)) {
    const std::vector<Keypoint> unflipped = keypoints;
    for (std::size_t i = 0; i < keypoints.size(); ++i) {
      keypoints[i] = unflipped[static_cast<std::size_t>(flip_indices[i])];
    }
  }
  for (Keypoint& keypoint : keypoints) {
    if (keypoint.visibility == 0) keypoint = Keypoint();
  }
  return keypoints;
}

}  // namespace

Image read_record_image(const ImageRecord& record, PixelFormat format) {
  Image image = read_image(record.file_name, format);
  if (image.size() == record.size()) return image;
  const bool turned = image.height == record.width && image.width == record.height;
  fail<DataError>(
      "image: {}: Mismatched image shape: got {}x{} (width x height), expect {}x{} from the annotations of "
      "image {}; {}",
      record.file_name, image.width, image.height, record.width, record.height, record.id,
      turned ? "the sizes are swapped: the file is turned by its EXIF orientation, and boxes must be given in "
               "the upright frame"
             : "check the width and height in the annotations ('fastermask data check' lists all such images)");
}

GroundTruth make_ground_truth(const Dataset& dataset, const ImageRecord& record, const Transforms& transforms,
                              const MapperOptions& options) {
  const ImageSize size = output_size(transforms, record.size());
  const bool cropped = std::any_of(transforms.begin(), transforms.end(), [](const Transform& transform) {
    return std::holds_alternative<CropTransform>(transform);
  });
  const std::vector<int> flip_indices = options.keypoints ? dataset.keypoint_flip_indices() : std::vector<int>();
  GroundTruth truth;
  for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
    const AnnotationRow& row = dataset.table.row(record.first_annotation + i);
    if (row.crowd) continue;
    Box box = transform_box(row.box(), transforms, size);
    Segmentation mask;
    if (options.masks) {
      mask = transform_mask(dataset.table.segmentation(row), transforms, size, options.bitmasks);
      const bool empty = mask_is_empty(mask);
      if (empty && !(options.keep_maskless && row.kind == SegmentationKind::none)) continue;
      if (cropped && !empty) box = box_of_mask(mask);
    }
    if (!(box.width() > kEmptyBoxSide && box.height() > kEmptyBoxSide)) continue;
    truth.boxes.push_back(box);
    truth.classes.push_back(row.category);
    if (options.masks) truth.masks.push_back(std::move(mask));
    if (options.keypoints) {
      truth.keypoints.push_back(transform_keypoints(dataset.table.keypoints(row), transforms, size, flip_indices));
    }
  }
  return truth;
}

TrainingSample map_for_training(const Dataset& dataset, const ImageRecord& record, const MapperOptions& options,
                                Random& random) {
  TrainingSample sample;
  sample.image_id = record.id;
  sample.file_name = record.file_name;
  sample.original_size = record.size();
  sample.transforms = choose_transforms(options.augmentation, record.size(), random);
  sample.flipped = flips_horizontally(sample.transforms);
  sample.ground_truth = make_ground_truth(dataset, record, sample.transforms, options);
  sample.image = apply_transforms(sample.transforms, read_record_image(record, options.format));
  return sample;
}

}  // namespace fastermask
