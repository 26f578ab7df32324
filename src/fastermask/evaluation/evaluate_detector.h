// Runs a detector over a data set and evaluates what it finds: the loop behind `fastermask evaluate`, `train
// --eval-only` and evaluation during training. detectron2 evaluation/evaluator.py inference_on_dataset.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fastermask/config/config.h"
#include "fastermask/data/dataset.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/summary.h"
#include "fastermask/runtime/detector.h"

namespace fastermask {

// The tasks of a config: bbox, then segm with MASK_ON, keypoints with KEYPOINT_ON.
std::vector<IouType> evaluation_tasks(const Config& config);

// The images that this process evaluates among several, and how results come together.
struct EvaluationShare {
  int rank = 0;
  int world_size = 1;
  // Gives `take` the pieces of all processes on rank 0, rank by rank; called by all of them. Empty for one process.
  std::function<void(const std::vector<std::string>& pieces, const std::function<void(std::string_view)>& take)> gather;
};

struct EvaluateDetectorOptions {
  std::string output_folder;  // where coco_instances_results.json goes; "": not written
  // Called for each image with its detections in the original image's pixels, in the data set's order.
  // Only on rank 0.
  std::function<void(const ImageRecord& record, const Detections& detections)> on_image;
  EvaluationShare share;
};

struct DetectorEvaluation {
  std::vector<TaskMetrics> metrics;
  std::vector<CocoEvalResult> results;  // in full, one a task; empty where COCO's evaluation is not what was done
  double seconds_per_image = 0;  // detection alone, the first five images left out as the reference does
};

// Throws DataError when a picture cannot be read. Progress is logged in detectron2's words. With several processes,
// rank 0 evaluates what all have found, image by image in the data set's order as one process would; the others'
// metrics are empty.
DetectorEvaluation evaluate_detector(Detector& detector, const std::shared_ptr<const Dataset>& dataset,
                                     const Config& config, const EvaluateDetectorOptions& options);

// Differences from TEST.EXPECTED_RESULTS, one line each; empty when all are met.
std::vector<std::string> check_expected_results(const Config& config, const std::vector<TaskMetrics>& metrics);

}  // namespace fastermask
