// COCO-like ground truth and detections of any size, for timing evaluation (`fastermask bench eval`): as many objects
// an image and as large as in val2017, outlines like hand-drawn ones, detections that are near, doubled or stray. Equal
// seeds give equal sets.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/evaluation/results.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

struct GeneratedObject {
  std::size_t image = 0;
  int category = 0;
  std::array<double, 4> xywh{};
  Polygon outline;
  bool crowd = false;
};

struct GeneratedSet {
  int images = 5000;
  int categories = 80;
  int height = 480;
  int width = 640;
  std::vector<GeneratedObject> objects;
};

// Three categories or so an image, as scenes have them, and objects from 8 pixels to most of the image.
GeneratedSet generate_set(int object_count, std::uint64_t seed = 1);

// The ground truth as COCO JSON: polygons, and RLE for crowds.
std::string truth_text(const GeneratedSet& set);

// `count` detections in the order of the images: for each object some that are shifted and scaled a little or more.
std::vector<DetectionRecord> generate_detections(const GeneratedSet& set, std::size_t count, bool masks,
                                                 std::uint64_t seed = 2);

}  // namespace fastermask
