// Evaluates a model's detections on a COCO data set: what the evaluate command and evaluation during training call for
// each image. Behaviour and files of detectron2 evaluation/coco_evaluation.py.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/evaluation/summary.h"
#include "fastermask/evaluation/voc_eval.h"
#include "fastermask/structures/instances.h"

namespace fastermask {

// What is known of the data set: Dataset's members of these names.
struct EvaluationDataset {
  std::string annotation_file;             // COCO JSON
  std::vector<std::int64_t> category_ids;  // [C] contiguous class index -> id in the JSON
  std::vector<std::string> class_names;    // [C] in tables and metrics; empty: the file's
};

struct DatasetEvaluatorOptions {
  std::vector<IouType> tasks;           // evaluated in the order bbox, keypoints, segm, whatever order they come in
  std::vector<int> max_detections;      // three limits; empty: COCO's (1, 10, 100)
  std::vector<double> keypoint_sigmas;  // TEST.KEYPOINT_OKS_SIGMAS; empty: COCO's
  std::optional<VocOptions> voc;        // boxes as Pascal VOC measures them; other tasks are left out
  std::string output_folder;            // "": write no files; else coco_instances_results.json appears there
};

// Detections as COCO results: boxes XYWH, scores, masks where given, keypoints less 0.5.
std::vector<DetectionRecord> to_detection_records(std::int64_t image_id, const Detections& detections);

class CocoDatasetEvaluator {
 public:
  // Throws DataError for a broken annotation file, or when it does not have the data set's categories.
  CocoDatasetEvaluator(const EvaluationDataset& dataset, DatasetEvaluatorOptions options);
  ~CocoDatasetEvaluator();
  CocoDatasetEvaluator(const CocoDatasetEvaluator&) = delete;
  CocoDatasetEvaluator& operator=(const CocoDatasetEvaluator&) = delete;

  // The detections of one image, boxes and masks in the pixels of the original image, classes as contiguous indices.
  // Each is folded in and written at once: memory does not grow with masks. Threads may call it at the same time.
  // Throws DataError for an unknown image id or one added twice.
  void add(std::int64_t image_id, const Detections& detections);

  // Finishes the results file, evaluates, logs tables and summary lines, and returns the metrics, one entry a task.
  // Without a single detection all metrics are NaN (and a warning says so); a ground truth file without annotations
  // (COCO's test sets) gives no metrics, only the file. Call once.
  std::vector<TaskMetrics> finish();

  // After finish(): the full results, one a task, for curves and reports.
  const std::vector<CocoEvalResult>& results() const;

  const CocoGroundTruth& ground_truth() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fastermask
