// Small ground truth files for tests.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "fastermask/evaluation/coco_ground_truth.h"

namespace fastermask::testing_support {

// Two images of 10 x 20 (height x width), ids 7 and 9; categories "cat" (3) and "dog" (5); one box of each in image 7.
inline nlohmann::json small_truth_json() {
  return nlohmann::json::parse(R"({
    "images": [{"id": 9, "height": 10, "width": 20}, {"id": 7, "height": 10, "width": 20}],
    "categories": [{"id": 5, "name": "dog"}, {"id": 3, "name": "cat"}],
    "annotations": [
      {"id": 11, "image_id": 7, "category_id": 5, "bbox": [8, 2, 4, 4], "area": 16, "iscrowd": 0,
       "segmentation": {"size": [10, 20], "counts": [82, 4, 6, 4, 6, 4, 6, 4, 84]}},
      {"id": 12, "image_id": 7, "category_id": 3, "bbox": [1, 1, 6, 6], "area": 36, "iscrowd": 0,
       "segmentation": [[1, 1, 7, 1, 7, 7, 1, 7]]}]})");
}

inline std::shared_ptr<const CocoGroundTruth> small_truth() {
  return std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(small_truth_json().dump(), "gt.json"));
}

// The message of the exception of type E that `run` throws; "nothing thrown" otherwise.
template <class E, class Run>
std::string message_of(const Run& run) {
  try {
    run();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace fastermask::testing_support
