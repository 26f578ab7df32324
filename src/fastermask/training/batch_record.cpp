#include "fastermask/training/batch_record.h"

#include <utility>
#include <variant>
#include <vector>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

PickleValue record_sizes(const std::vector<ImageSize>& sizes) {
  std::vector<std::int64_t> flat;
  for (const ImageSize& size : sizes) flat.insert(flat.end(), {size.height, size.width});
  return PickleValue::array(NDArray::from({static_cast<std::int64_t>(sizes.size()), 2}, flat));
}

std::vector<ImageSize> sizes_of_record(const PickleValue& record) {
  const std::vector<std::int64_t> flat = record.as_array().to_integers();
  std::vector<ImageSize> sizes;
  for (std::size_t i = 0; i + 1 < flat.size(); i += 2)
    sizes.push_back({static_cast<int>(flat[i]), static_cast<int>(flat[i + 1])});
  return sizes;
}

PickleValue record_mask(const Segmentation& mask) {
  if (const auto* polygons = std::get_if<Polygons>(&mask)) {
    PickleValue list = PickleValue::list();
    for (const Polygon& polygon : *polygons) {
      list.push_back(PickleValue::array(NDArray::from({static_cast<std::int64_t>(polygon.size())}, polygon)));
    }
    return list;
  }
  if (const auto* rle = std::get_if<Rle>(&mask)) {
    const std::vector<std::int64_t> counts(rle->counts.begin(), rle->counts.end());
    PickleValue dict = PickleValue::dict();
    dict.set("size", PickleValue::list({PickleValue::integer(rle->height), PickleValue::integer(rle->width)}));
    dict.set("counts", PickleValue::array(NDArray::from({static_cast<std::int64_t>(counts.size())}, counts)));
    return dict;
  }
  return {};
}

Segmentation mask_of_record(const PickleValue& record) {
  if (record.is_none()) return {};
  if (record.is_dict()) {
    Rle rle;
    rle.height = static_cast<int>(record.at("size").items().at(0).as_int());
    rle.width = static_cast<int>(record.at("size").items().at(1).as_int());
    for (const std::int64_t count : record.at("counts").as_array().to_integers()) {
      rle.counts.push_back(static_cast<std::uint32_t>(count));
    }
    return rle;
  }
  Polygons polygons;
  for (const PickleValue& item : record.items()) {
    const NDArray& array = item.as_array();
    polygons.emplace_back(array.data<double>(), array.data<double>() + array.size());
  }
  return polygons;
}

PickleValue record_ground_truth(const GroundTruth& truth) {
  const auto count = static_cast<std::int64_t>(truth.size());
  std::vector<float> boxes, points;
  for (const Box& box : truth.boxes) boxes.insert(boxes.end(), {box.x1, box.y1, box.x2, box.y2});
  const std::vector<std::int64_t> classes(truth.classes.begin(), truth.classes.end());
  PickleValue masks = PickleValue::list();
  for (const Segmentation& mask : truth.masks) masks.push_back(record_mask(mask));
  std::int64_t keypoints = 0;
  for (const auto& instance : truth.keypoints) {
    keypoints = static_cast<std::int64_t>(instance.size());
    for (const Keypoint& point : instance) points.insert(points.end(), {point.x, point.y, point.visibility});
  }
  PickleValue record = PickleValue::dict();
  record.set("boxes", PickleValue::array(NDArray::from({count, 4}, boxes)));
  record.set("classes", PickleValue::array(NDArray::from({count}, classes)));
  record.set("masks", std::move(masks));
  record.set("keypoints", truth.keypoints.empty() ? PickleValue()
                                                  : PickleValue::array(NDArray::from({count, keypoints, 3}, points)));
  return record;
}

GroundTruth ground_truth_of_record(const PickleValue& record) {
  GroundTruth truth;
  const std::vector<float> boxes = record.at("boxes").as_array().to_floats();
  for (std::size_t i = 0; i + 3 < boxes.size(); i += 4)
    truth.boxes.push_back({boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]});
  for (const std::int64_t value : record.at("classes").as_array().to_integers())
    truth.classes.push_back(static_cast<int>(value));
  for (const PickleValue& mask : record.at("masks").items()) truth.masks.push_back(mask_of_record(mask));
  if (const PickleValue& points = record.at("keypoints"); !points.is_none()) {
    const NDArray& array = points.as_array();
    const std::vector<float> values = array.to_floats();
    const auto keypoints = static_cast<std::size_t>(array.shape.at(1));
    truth.keypoints.resize(truth.size());
    for (std::size_t i = 0; i + 2 < values.size(); i += 3) {
      truth.keypoints.at(i / 3 / keypoints).push_back({values[i], values[i + 1], values[i + 2]});
    }
  }
  if (truth.classes.size() != truth.size() || (!truth.masks.empty() && truth.masks.size() != truth.size())) {
    fail<WeightsError>("replay: a ground truth must have as many classes and masks as boxes ({}), got {} and {}",
                       truth.size(), truth.classes.size(), truth.masks.size());
  }
  return truth;
}

}  // namespace

PickleValue record_batch(const Batch& batch) {
  PickleValue record = PickleValue::dict();
  record.set("images", PickleValue::array(NDArray::from({batch.size(), batch.height, batch.width, 3}, batch.images.data())));
  record.set("image_sizes", record_sizes(batch.image_sizes));
  record.set("original_sizes", record_sizes(batch.original_sizes));
  record.set("image_ids", PickleValue::array(NDArray::from({batch.size()}, batch.image_ids)));
  PickleValue names = PickleValue::list(), flipped = PickleValue::list(), truths = PickleValue::list();
  for (const std::string& name : batch.file_names) names.push_back(PickleValue::string(name));
  for (const bool flip : batch.flipped) flipped.push_back(PickleValue::boolean(flip));
  for (const GroundTruth& truth : batch.ground_truths) truths.push_back(record_ground_truth(truth));
  record.set("file_names", std::move(names));
  record.set("flipped", std::move(flipped));
  record.set("ground_truths", std::move(truths));
  return record;
}

Batch batch_of_record(const PickleValue& record) {
  Batch batch;
  const NDArray& images = record.at("images").as_array();
  batch.image_sizes = sizes_of_record(record.at("image_sizes"));
  if (images.shape.size() != 4 || images.shape[0] != batch.size() || images.shape[3] != 3) {
    fail<WeightsError>("replay: images must be [{}, H, W, 3], got {}", batch.size(), to_string(images.shape));
  }
  batch.height = static_cast<int>(images.shape[1]);
  batch.width = static_cast<int>(images.shape[2]);
  const std::vector<float> pixels = images.to_floats();
  batch.images.assign(pixels.begin(), pixels.end());
  batch.original_sizes = sizes_of_record(record.at("original_sizes"));
  batch.image_ids = record.at("image_ids").as_array().to_integers();
  for (const PickleValue& name : record.at("file_names").items()) batch.file_names.push_back(name.text());
  for (const PickleValue& flip : record.at("flipped").items()) batch.flipped.push_back(flip.as_bool());
  for (const PickleValue& truth : record.at("ground_truths").items())
    batch.ground_truths.push_back(ground_truth_of_record(truth));
  if (batch.ground_truths.size() != batch.image_sizes.size() || batch.file_names.size() != batch.image_sizes.size()) {
    fail<WeightsError>(
        "replay: the record must have a ground truth and a file name for each of {} images, got {} and {}",
        batch.size(), batch.ground_truths.size(), batch.file_names.size());
  }
  return batch;
}

}  // namespace fastermask
