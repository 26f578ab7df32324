#include "fastermask/data/class_list.h"

#include <nlohmann/json.hpp>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {

void save_class_list(const std::string& path, const ClassList& classes) {
  const nlohmann::json json = {
      {"names", classes.names}, {"category_ids", classes.category_ids}, {"skeleton", classes.skeleton}};
  write_file_atomic(path, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

ClassList load_class_list(const std::string& path) {
  ClassList classes;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_file(path));
    classes.names = json.at("names").get<std::vector<std::string>>();
    classes.category_ids = json.at("category_ids").get<std::vector<std::int64_t>>();
    if (json.contains("skeleton")) json["skeleton"].get_to(classes.skeleton);
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("{}: must hold \"names\" and \"category_ids\": {}", path, error.what());
  }
  if (classes.names.size() != classes.category_ids.size()) {
    fail<DataError>("{}: has {} names but {} category ids", path, classes.names.size(), classes.category_ids.size());
  }
  return classes;
}

const ClassList& coco_class_list() {
  static const ClassList classes = {
      {"person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
       "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
       "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
       "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
       "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
       "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
       "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
       "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
       "teddy bear", "hair drier", "toothbrush"},
      {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 31, 32, 33,
       34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
       62, 63, 64, 65, 67, 70, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 84, 85, 86, 87, 88, 89, 90}};
  return classes;
}

const std::vector<std::pair<int, int>>& coco_person_skeleton() {
  static const std::vector<std::pair<int, int>> bones = {
      {15, 13}, {13, 11}, {16, 14}, {14, 12}, {11, 12}, {5, 11}, {6, 12}, {5, 6}, {5, 7}, {6, 8},
      {7, 9},   {8, 10},  {1, 2},   {0, 1},   {0, 2},   {1, 3},  {2, 4},  {3, 5}, {4, 6}};
  return bones;
}

}  // namespace fastermask
