#include "fastermask/evaluation/dataset_evaluator.h"

#include <algorithm>
#include <mutex>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/log.h"

namespace fastermask {
namespace {

constexpr const char* kDatasetEvaluatorModule = "evaluation.coco_evaluation";
constexpr const char* kResultsFileName = "coco_instances_results.json";

bool has_task(const std::vector<IouType>& tasks, IouType task) {
  return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

CocoEvalParams params_for(IouType task, const DatasetEvaluatorOptions& options) {
  CocoEvalParams params = CocoEvalParams::defaults(task);
  if (task == IouType::keypoints) {
    if (!options.keypoint_sigmas.empty()) params.keypoint_sigmas = options.keypoint_sigmas;
  } else if (!options.max_detections.empty()) {
    params.max_detections = options.max_detections;
  }
  return params;
}

}  // namespace

std::vector<DetectionRecord> to_detection_records(std::int64_t image_id, const Detections& detections) {
  std::vector<DetectionRecord> records(detections.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    DetectionRecord& record = records[i];
    const Box& box = detections.boxes[i];
    record.image_id = image_id;
    record.category = detections.classes[i];
    record.score = static_cast<double>(detections.scores[i]);
    record.has_box = true;
    // Width and height are taken in float32, as detectron2 has them.
    record.xywh = {static_cast<double>(box.x1), static_cast<double>(box.y1), static_cast<double>(box.width()),
                   static_cast<double>(box.height())};
    if (!detections.masks.empty()) record.mask = detections.masks[i];
    if (detections.keypoints.empty()) continue;
    for (const Keypoint& keypoint : detections.keypoints[i]) {
      record.keypoints.push_back(static_cast<double>(keypoint.x - 0.5f));
      record.keypoints.push_back(static_cast<double>(keypoint.y - 0.5f));
      record.keypoints.push_back(static_cast<double>(keypoint.visibility));
    }
  }
  return records;
}

struct CocoDatasetEvaluator::State {
  DatasetEvaluatorOptions options;
  std::shared_ptr<const CocoGroundTruth> truth;
  std::vector<DetectionRecord> voc_records;  // with DatasetEvaluatorOptions::voc: boxes of all images
  std::vector<int> truth_category;  // [C] the data set's class index -> the ground truth's
  std::vector<CocoEvaluator> evaluators;
  std::vector<IouType> tasks;
  std::unique_ptr<ResultsWriter> writer;
  std::mutex mutex;
  std::size_t detections = 0;
  std::vector<CocoEvalResult> results;
};

CocoDatasetEvaluator::CocoDatasetEvaluator(const EvaluationDataset& dataset, DatasetEvaluatorOptions options)
    : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  GroundTruthParts parts;
  parts.segmentations = has_task(state_->options.tasks, IouType::segm);
  parts.keypoints = has_task(state_->options.tasks, IouType::keypoints);
  const auto truth = std::make_shared<CocoGroundTruth>(CocoGroundTruth::read(dataset.annotation_file, parts));
  state_->truth = truth;
  for (const std::int64_t id : dataset.category_ids) {
    const int category = state_->truth->find_category(id);
    if (category < 0) {
      fail<DataError>("ground truth: {}: category id {} of the data set is not among the {} categories of the file",
                      dataset.annotation_file, id, state_->truth->category_ids().size());
    }
    if (!dataset.class_names.empty()) {
      truth->rename_category(category, dataset.class_names[state_->truth_category.size()]);
    }
    state_->truth_category.push_back(category);
  }
  for (const IouType task : {IouType::bbox, IouType::keypoints, IouType::segm}) {
    if (!has_task(state_->options.tasks, task)) continue;
    state_->tasks.push_back(task);
    if (state_->truth->annotations().empty() || state_->options.voc) continue;
    state_->evaluators.emplace_back(state_->truth, params_for(task, state_->options));
  }
  if (!state_->options.output_folder.empty()) {
    const std::string path = join_path(state_->options.output_folder, kResultsFileName);
    state_->writer = std::make_unique<ResultsWriter>(path, state_->truth->category_ids());
  }
}

CocoDatasetEvaluator::~CocoDatasetEvaluator() = default;

void CocoDatasetEvaluator::add(std::int64_t image_id, const Detections& detections) {
  std::vector<DetectionRecord> records = to_detection_records(image_id, detections);
  for (DetectionRecord& record : records) {
    if (record.category < 0 || record.category >= static_cast<int>(state_->truth_category.size())) {
      fail<DataError>("evaluation: image {}: the class must be from 0 to {}, got {}", image_id,
                      state_->truth_category.size() - 1, record.category);
    }
    record.category = state_->truth_category[static_cast<std::size_t>(record.category)];
  }
  for (CocoEvaluator& evaluator : state_->evaluators) evaluator.add(image_id, records);
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->detections += records.size();
  if (state_->options.voc) {
    for (const DetectionRecord& record : records) {
      state_->voc_records.push_back(record);
      state_->voc_records.back().mask = {};
    }
  }
  if (state_->writer == nullptr) return;
  for (const DetectionRecord& record : records) state_->writer->add(record);
}

std::vector<TaskMetrics> CocoDatasetEvaluator::finish() {
  if (state_->writer != nullptr) {
    log_info(kDatasetEvaluatorModule, "Saving results to {}",
             join_path(state_->options.output_folder, kResultsFileName));
    state_->writer->finish();
    state_->writer.reset();
  }
  if (state_->truth->annotations().empty()) {
    log_info(kDatasetEvaluatorModule, "Annotations are not available for evaluation.");
    return {};
  }
  std::vector<TaskMetrics> tasks;
  if (state_->detections == 0) log_warning(kDatasetEvaluatorModule, "No predictions from the model!");
  if (state_->options.voc) {
    // In image order, whatever threads added them: equal scores rank in the order given.
    std::stable_sort(state_->voc_records.begin(), state_->voc_records.end(),
                     [](const DetectionRecord& a, const DetectionRecord& b) { return a.image_id < b.image_id; });
    tasks.push_back(evaluate_voc(*state_->truth, state_->voc_records, *state_->options.voc).metrics());
    log_task_metrics(tasks.back());
  }
  for (std::size_t i = 0; i < state_->evaluators.size(); ++i) {
    if (state_->detections == 0) {
      tasks.push_back(empty_coco_metrics(state_->tasks[i]));
      continue;
    }
    state_->results.push_back(state_->evaluators[i].evaluate());
    for (const std::string& line : coco_summary_lines(state_->results.back())) {
      log_info(kDatasetEvaluatorModule, "{}", line);
    }
    tasks.push_back(coco_metrics(state_->results.back()));
    log_task_metrics(tasks.back());
  }
  log_copypaste(tasks);
  return tasks;
}

const std::vector<CocoEvalResult>& CocoDatasetEvaluator::results() const { return state_->results; }

const CocoGroundTruth& CocoDatasetEvaluator::ground_truth() const { return *state_->truth; }

}  // namespace fastermask
