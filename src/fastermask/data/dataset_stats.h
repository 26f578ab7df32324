// Numbers that describe a data set: what `fastermask data stats` shows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fastermask/data/dataset.h"

namespace fastermask {

// Smallest, quartiles, largest and mean of some values; all 0 when there are none.
struct Distribution {
  std::int64_t count = 0;
  double smallest = 0;
  double lower_quartile = 0;
  double median = 0;
  double upper_quartile = 0;
  double largest = 0;
  double mean = 0;
};

// How many values lie in [edges[i], edges[i + 1]); those beyond the ends count in the first and the last.
struct Histogram {
  std::vector<double> edges;         // [bins + 1], rising
  std::vector<std::int64_t> counts;  // [bins]
};

// The values in bins that double in width: from 2^low to 2^high, `steps` bins for each doubling.
Histogram octave_histogram(const std::vector<double>& values, int low, int high, int steps);

struct ClassStats {
  std::string name;
  std::int64_t category_id = 0;  // in the JSON
  std::int64_t instances = 0;    // crowds left out
  std::int64_t images = 0;       // with at least one instance
  Distribution object_side;      // square root of the box's area, pixels
};

struct DatasetStats {
  std::int64_t images = 0;
  std::int64_t empty_images = 0;  // no annotation, or only crowds
  std::int64_t wide_images = 0;   // wider than high
  std::int64_t instances = 0;     // crowds left out
  std::int64_t crowds = 0;
  std::int64_t with_polygons = 0;
  std::int64_t with_rle = 0;
  std::int64_t with_keypoints = 0;
  std::int64_t small_objects = 0;   // COCO's sizes by area: under 32 * 32,
  std::int64_t medium_objects = 0;  // under 96 * 96,
  std::int64_t large_objects = 0;   // and the rest
  Distribution image_width;
  Distribution image_height;
  Distribution instances_per_image;
  Distribution object_side;    // square root of the box's area, pixels of the original image
  Distribution object_aspect;  // box height / width
  Histogram object_sides;      // 1 to 2048 pixels, two bins a doubling
  Histogram object_aspects;    // 1/16 to 16, two bins a doubling
  Histogram instances_images;  // images by their number of instances: 0, 1, 2, 3, 4, 5-8, 9-16, ...
  std::vector<ClassStats> classes;
};

DatasetStats compute_dataset_stats(const Dataset& dataset);

}  // namespace fastermask
