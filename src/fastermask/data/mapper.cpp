#include "fastermask/data/mapper.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/data/pasting_mapper.h"
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

Segmentation rasterised(Segmentation mask, ImageSize size) {
  const auto* polygons = std::get_if<Polygons>(&mask);
  if (polygons == nullptr || polygons->empty()) return mask;
  Rle rle = polygons_to_rle(*polygons, size.height, size.width);
  if (rle_area(rle) == 0) return {};
  return rle;
}

Segmentation transform_mask(const Segmentation& mask, const Transforms& transforms, ImageSize size, bool bitmask) {
  if (const auto* rle = std::get_if<Rle>(&mask)) return apply_transforms(transforms, *rle);
  const auto* polygons = std::get_if<Polygons>(&mask);
  if (polygons == nullptr) return {};
  Segmentation moved = apply_transforms(transforms, *polygons);
  return bitmask ? rasterised(std::move(moved), size) : moved;
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

// An instance before the transforms.
struct RawInstance {
  Box box;
  int category = 0;
  Segmentation mask;
  std::vector<Keypoint> keypoints;
};

// Moves instances from an image's frame to that after some transforms.
class InstanceMover {
 public:
  InstanceMover(const Dataset& dataset, const Transforms& transforms, ImageSize before, const MapperOptions& options)
      : transforms_(transforms),
        options_(options),
        size_(output_size(transforms, before)),
        box_from_mask_(changes_outlines(transforms)),
        flip_indices_(options.keypoints ? dataset.keypoint_flip_indices() : std::vector<int>()) {}

  void move(RawInstance instance, GroundTruth& truth) const {
    Box box = transform_box(instance.box, transforms_, size_);
    Segmentation mask;
    if (options_.masks) {
      mask = transform_mask(instance.mask, transforms_, size_, options_.bitmasks);
      const bool empty = mask_is_empty(mask);
      const bool none_given = std::holds_alternative<std::monostate>(instance.mask);
      if (empty && !(options_.keep_maskless && none_given)) return;
      if (box_from_mask_ && !empty) box = box_of_mask(mask);
    }
    if (!(box.width() > kEmptyBoxSide && box.height() > kEmptyBoxSide)) return;
    truth.boxes.push_back(box);
    truth.classes.push_back(instance.category);
    if (options_.masks) truth.masks.push_back(std::move(mask));
    if (options_.keypoints) {
      truth.keypoints.push_back(transform_keypoints(std::move(instance.keypoints), transforms_, size_, flip_indices_));
    }
  }

 private:
  const Transforms& transforms_;
  const MapperOptions& options_;
  ImageSize size_;
  bool box_from_mask_;
  std::vector<int> flip_indices_;
};

}  // namespace

Box box_of_mask(const Segmentation& mask) {
  if (const auto* polygons = std::get_if<Polygons>(&mask)) return polygons_bounding_box(*polygons);
  const auto xywh = rle_to_xywh(std::get<Rle>(mask));
  return {static_cast<float>(xywh[0]), static_cast<float>(xywh[1]), static_cast<float>(xywh[0] + xywh[2]),
          static_cast<float>(xywh[1] + xywh[3])};
}

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
  const InstanceMover mover(dataset, transforms, record.size(), options);
  GroundTruth truth;
  for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
    const AnnotationRow& row = dataset.table.row(record.first_annotation + i);
    if (row.crowd) continue;
    RawInstance instance;
    instance.box = row.box();
    instance.category = row.category;
    if (options.masks) instance.mask = dataset.table.segmentation(row);
    if (options.keypoints) instance.keypoints = dataset.table.keypoints(row);
    mover.move(std::move(instance), truth);
  }
  return truth;
}

GroundTruth move_ground_truth(const Dataset& dataset, GroundTruth truth, ImageSize size, const Transforms& transforms,
                              const MapperOptions& options) {
  const InstanceMover mover(dataset, transforms, size, options);
  GroundTruth moved;
  for (std::size_t g = 0; g < truth.size(); ++g) {
    RawInstance instance;
    instance.box = truth.boxes[g];
    instance.category = truth.classes[g];
    if (options.masks) instance.mask = std::move(truth.masks[g]);
    if (options.keypoints) instance.keypoints = std::move(truth.keypoints[g]);
    mover.move(std::move(instance), moved);
  }
  return moved;
}

TrainingSample map_for_training(const Dataset& dataset, const ImageRecord& record, const MapperOptions& options,
                                Random& random) {
  TrainingSample sample;
  sample.image_id = record.id;
  sample.file_name = record.file_name;
  sample.original_size = record.size();
  const std::vector<AugmentationSpec>& list = options.augmentation.list;
  if (std::any_of(list.begin(), list.end(), is_copy_paste)) {
    map_with_pasting(dataset, record, options, random, sample);
    return sample;
  }
  sample.transforms = choose_transforms(options.augmentation, record.size(), random);
  sample.flipped = flips_horizontally(sample.transforms);
  sample.ground_truth = make_ground_truth(dataset, record, sample.transforms, options);
  sample.image = apply_transforms(sample.transforms, read_record_image(record, options.format));
  return sample;
}

}  // namespace fastermask
