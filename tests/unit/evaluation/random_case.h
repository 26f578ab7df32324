// Random evaluation cases, made to be nasty: equal scores, equal boxes, crowds, sizes on the borders of area ranges,
// empty images and categories, more detections than the limit.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/base/random.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/plain_coco_eval.h"

namespace fastermask::testing_support {

struct RandomCase {
  CocoEvalParams params;
  plain::Settings settings;
  std::vector<plain::Instance> truths, detections;
  std::vector<std::int64_t> image_ids, category_ids;  // of the file
  int height = 0, width = 0;
};

inline std::vector<std::uint8_t> random_pixels(Random& random, const RandomCase& shape, std::array<double, 4>& xywh) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(shape.height * shape.width));
  const int x0 = static_cast<int>(random.uniform_int(shape.width)),
            y0 = static_cast<int>(random.uniform_int(shape.height));
  const int w = 1 + static_cast<int>(random.uniform_int(shape.width - x0));
  const int h = 1 + static_cast<int>(random.uniform_int(shape.height - y0));
  const double density = random.bernoulli(0.5) ? 1.0 : random.uniform(0.3, 1.0);
  for (int x = x0; x < x0 + w; ++x) {
    for (int y = y0; y < y0 + h; ++y)
      pixels[static_cast<std::size_t>(y * shape.width + x)] = random.bernoulli(density) ? 1 : 0;
  }
  xywh = {x0 + 0.0, y0 + 0.0, w + 0.0, h + 0.0};
  return pixels;
}

inline std::vector<double> random_keypoints(Random& random, const std::array<double, 4>& xywh, std::size_t count,
                                            bool truth) {
  std::vector<double> keypoints;
  for (std::size_t k = 0; k < count; ++k) {
    keypoints.push_back(xywh[0] + random.uniform(-2, xywh[2] + 2));
    keypoints.push_back(xywh[1] + random.uniform(-2, xywh[3] + 2));
    keypoints.push_back(truth ? static_cast<double>(random.uniform_int(3)) : random.uniform());
  }
  return keypoints;
}

inline plain::Instance random_instance(Random& random, const RandomCase& shape) {
  plain::Instance instance;
  instance.image_id =
      shape.image_ids[static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(shape.image_ids.size())))];
  instance.category_id = shape.category_ids[static_cast<std::size_t>(
      random.uniform_int(static_cast<std::int64_t>(shape.category_ids.size())))];
  instance.pixels = random_pixels(random, shape, instance.xywh);
  return instance;
}

inline double count_pixels(const plain::Instance& instance) {
  return static_cast<double>(std::count(instance.pixels.begin(), instance.pixels.end(), 1));
}

// A detection near a ground truth, so that matches happen.
inline plain::Instance disturbed(Random& random, const plain::Instance& truth, const RandomCase& shape) {
  plain::Instance detection = truth;
  for (double& number : detection.xywh) {
    if (random.bernoulli(0.3)) number += 0.25 * static_cast<double>(random.uniform_int(9) - 4);
  }
  detection.xywh[2] = std::max(detection.xywh[2], 0.25);
  detection.xywh[3] = std::max(detection.xywh[3], 0.25);
  for (std::uint8_t& pixel : detection.pixels) pixel ^= random.bernoulli(0.02) ? 1 : 0;
  if (random.bernoulli(0.1)) detection.category_id = shape.category_ids.front();
  for (std::size_t k = 0; k < detection.keypoints.size(); ++k)
    detection.keypoints[k] += k % 3 == 2 ? 0 : random.uniform(-1, 1);
  return detection;
}

inline void choose_params(Random& random, RandomCase& made, IouType type) {
  CocoEvalParams& params = made.params;
  params = CocoEvalParams::defaults(type);
  params.area_ranges = {{"all", 0, 1e10}, {"small", 0, 12}, {"medium", 12, 60}, {"large", 60, 1e10}};
  if (random.bernoulli(0.3)) params.iou_thresholds = {0.1, 0.5, 1.0};
  if (random.bernoulli(0.2)) params.recall_thresholds = {0, 0.25, 0.3, 0.5, 1};
  params.max_detections = random.bernoulli(0.5) ? std::vector<int>{1, 2, 5} : std::vector<int>{1, 10, 100};
  params.use_categories = type == IouType::keypoints || random.bernoulli(0.8);
  if (type == IouType::keypoints) params.keypoint_sigmas = {0.05, 0.3, 0.1, 0.2};
  if (random.bernoulli(0.2)) {
    for (const std::int64_t id : made.image_ids) {
      if (params.image_ids.empty() || random.bernoulli(0.7)) params.image_ids.push_back(id);
    }
  }
  plain::Settings& settings = made.settings;
  settings.compare = type == IouType::bbox
                         ? plain::Compare::boxes
                         : (type == IouType::segm ? plain::Compare::pixels : plain::Compare::keypoints);
  settings.iou_thresholds = params.iou_thresholds;
  settings.recall_thresholds = params.recall_thresholds;
  settings.sigmas = params.keypoint_sigmas;
  for (const AreaRange& range : params.area_ranges) settings.area_ranges.push_back({range.low, range.high});
  settings.max_detections = params.max_detections;
  settings.use_categories = params.use_categories;
  settings.image_ids = params.image_ids.empty() ? made.image_ids : params.image_ids;
  settings.category_ids = made.category_ids;
}

inline RandomCase make_random_case(std::uint64_t seed, IouType type) {
  Random random(seed, RandomPurpose::test, static_cast<std::uint64_t>(type));
  RandomCase made;
  made.height = 4 + static_cast<int>(random.uniform_int(12));
  made.width = 4 + static_cast<int>(random.uniform_int(12));
  for (std::int64_t i = 0; i < 1 + random.uniform_int(6); ++i) made.image_ids.push_back(3 + 7 * i);
  for (std::int64_t i = 0; i < 1 + random.uniform_int(4); ++i) made.category_ids.push_back(2 + 3 * i);
  choose_params(random, made, type);
  const std::int64_t truth_count = random.uniform_int(25);
  for (std::int64_t i = 0; i < truth_count; ++i) {
    plain::Instance truth = random_instance(random, made);
    truth.id = 100 + (i * 37) % 101;
    truth.crowd = random.bernoulli(0.15);
    truth.area = random.bernoulli(0.3) ? 12 : count_pixels(truth);
    truth.keypoints = random_keypoints(random, truth.xywh, made.settings.sigmas.size(), true);
    if (random.bernoulli(0.3)) {
      for (std::size_t k = 2; k < truth.keypoints.size(); k += 3) truth.keypoints[k] = 0;
    }
    for (std::size_t k = 2; k < truth.keypoints.size(); k += 3) truth.num_keypoints += truth.keypoints[k] > 0;
    if (random.bernoulli(0.1)) truth.num_keypoints = 2;  // files may claim what is not so
    made.truths.push_back(truth);
  }
  const std::int64_t detection_count = random.uniform_int(60);
  for (std::int64_t i = 0; i < detection_count; ++i) {
    const bool near = !made.truths.empty() && random.bernoulli(0.7);
    const auto pick = static_cast<std::size_t>(near ? random.uniform_int(truth_count) : 0);
    plain::Instance detection = near ? disturbed(random, made.truths[pick], made) : random_instance(random, made);
    if (!near) detection.keypoints = random_keypoints(random, detection.xywh, made.settings.sigmas.size(), false);
    detection.score = random.bernoulli(0.5) ? 0.1 * static_cast<double>(random.uniform_int(8)) : random.uniform();
    made.detections.push_back(detection);
  }
  return made;
}

inline Rle rle_of(const RandomCase& made, const std::vector<std::uint8_t>& pixels) {
  BitMask mask(made.height, made.width);
  mask.pixels = pixels;
  return rle_encode(mask);
}

// The case as COCO JSON texts.
inline std::string truth_json(const RandomCase& made) {
  nlohmann::json file;
  file["images"] = file["annotations"] = file["categories"] = nlohmann::json::array();
  for (const std::int64_t id : made.image_ids) {
    file["images"].push_back({{"id", id}, {"height", made.height}, {"width", made.width}});
  }
  for (const std::int64_t id : made.category_ids)
    file["categories"].push_back({{"id", id}, {"name", "c" + std::to_string(id)}});
  for (const plain::Instance& truth : made.truths) {
    nlohmann::json annotation = {{"id", truth.id},
                                 {"image_id", truth.image_id},
                                 {"category_id", truth.category_id},
                                 {"bbox", truth.xywh},
                                 {"area", truth.area},
                                 {"iscrowd", truth.crowd ? 1 : 0},
                                 {"keypoints", truth.keypoints},
                                 {"num_keypoints", truth.num_keypoints}};
    annotation["segmentation"] = {{"size", {made.height, made.width}}, {"counts", rle_of(made, truth.pixels).counts}};
    file["annotations"].push_back(annotation);
  }
  return file.dump();
}

inline std::string results_json(const RandomCase& made) {
  nlohmann::json file = nlohmann::json::array();
  for (const plain::Instance& detection : made.detections) {
    nlohmann::json record = {
        {"image_id", detection.image_id}, {"category_id", detection.category_id}, {"score", detection.score}};
    if (made.params.iou_type == IouType::segm) {
      record["segmentation"] = {{"size", {made.height, made.width}},
                                {"counts", rle_to_string(rle_of(made, detection.pixels))}};
    } else if (made.params.iou_type == IouType::keypoints) {
      record["keypoints"] = detection.keypoints;
    } else {
      record["bbox"] = detection.xywh;
    }
    file.push_back(record);
  }
  return file.dump();
}

// The sizes that pycocotools' loadRes gives detections.
inline void set_detection_areas(RandomCase& made) {
  for (plain::Instance& detection : made.detections) {
    if (made.params.iou_type == IouType::bbox) detection.area = detection.xywh[2] * detection.xywh[3];
    if (made.params.iou_type == IouType::segm) detection.area = count_pixels(detection);
    if (made.params.iou_type != IouType::keypoints) continue;
    double x0 = 1e9, x1 = -1e9, y0 = 1e9, y1 = -1e9;
    for (std::size_t k = 0; k < detection.keypoints.size(); k += 3) {
      x0 = std::min(x0, detection.keypoints[k]);
      x1 = std::max(x1, detection.keypoints[k]);
      y0 = std::min(y0, detection.keypoints[k + 1]);
      y1 = std::max(y1, detection.keypoints[k + 1]);
    }
    detection.area = (x1 - x0) * (y1 - y0);
  }
}

}  // namespace fastermask::testing_support
