#include "fastermask/data/dataset.h"

#include <algorithm>

#include "fastermask/base/error.h"
#include "fastermask/data/class_list.h"

namespace fastermask {

std::vector<Annotation> Dataset::annotations(const ImageRecord& record) const {
  std::vector<Annotation> all;
  all.reserve(record.annotation_count);
  for (std::uint32_t i = 0; i < record.annotation_count; ++i) {
    const AnnotationRow& row = table.row(record.first_annotation + i);
    Annotation annotation;
    annotation.id = row.id;
    annotation.category = row.category;
    annotation.box = row.box();
    annotation.xywh = row.xywh;
    annotation.area = row.area;
    annotation.crowd = row.crowd;
    annotation.segmentation = table.segmentation(row);
    annotation.keypoints = table.keypoints(row);
    all.push_back(std::move(annotation));
  }
  return all;
}

std::vector<int> Dataset::keypoint_flip_indices() const {
  const auto place_of = [this](const std::string& keypoint) {
    const auto found = std::find(keypoint_names.begin(), keypoint_names.end(), keypoint);
    if (found == keypoint_names.end()) fail<DataError>("dataset: flip map names an unknown keypoint '{}'", keypoint);
    return static_cast<int>(found - keypoint_names.begin());
  };
  std::vector<int> places(keypoint_names.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int>(i);
  for (const auto& [first, second] : keypoint_flip_map) {
    const int a = place_of(first);
    const int b = place_of(second);
    places[static_cast<std::size_t>(a)] = b;
    places[static_cast<std::size_t>(b)] = a;
  }
  return places;
}

void pair_left_and_right(Dataset& dataset) {
  const std::vector<std::string>& names = dataset.keypoint_names;
  dataset.keypoint_flip_map.clear();
  for (const std::string& name : names) {
    const std::size_t at = name.find("left");
    if (at == std::string::npos) continue;
    std::string mirrored = name;
    mirrored.replace(at, 4, "right");
    if (std::find(names.begin(), names.end(), mirrored) != names.end()) {
      dataset.keypoint_flip_map.emplace_back(name, mirrored);
    }
  }
}

void set_coco_person_keypoints(Dataset& dataset) {
  dataset.keypoint_names = {"nose",          "left_eye",    "right_eye",   "left_ear",   "right_ear",   "left_shoulder",
                            "right_shoulder", "left_elbow",  "right_elbow", "left_wrist", "right_wrist", "left_hip",
                            "right_hip",     "left_knee",   "right_knee",  "left_ankle", "right_ankle"};
  dataset.keypoint_flip_map.clear();
  for (const char* part : {"eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"}) {
    dataset.keypoint_flip_map.emplace_back(std::string("left_") + part, std::string("right_") + part);
  }
  dataset.skeleton = coco_person_skeleton();
}

}  // namespace fastermask
