// Evaluation results as people and scripts read them: pycocotools' lines, detectron2's tables and metric names.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fastermask/evaluation/coco_eval.h"

namespace fastermask {

// Metrics of one task, in detectron2's order and names: "AP", "AP50", ..., "AP-person", times 100; NaN where there is
// nothing to measure.
struct TaskMetrics {
  std::string task;                                      // "bbox", "segm", "keypoints", "box_proposals"
  std::vector<std::pair<std::string, double>> metrics;

  // The metric of that name, or NaN.
  double value(const std::string& name) const;
};

// Metrics of all tasks as "bbox/AP", ..., as metrics.json has them.
std::vector<std::pair<std::string, double>> flatten_metrics(const std::vector<TaskMetrics>& tasks);

// The lines pycocotools prints, character for character, without line ends:
// " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.324"
// Other limits than COCO's: the AP lines are for the last one, and one AR line stands for each.
std::vector<std::string> coco_summary_lines(const CocoEvalResult& result);

// The numbers of those lines: CocoEvalResult::stats.
std::vector<double> coco_summary_stats(const CocoEvalResult& result);

// AP over all thresholds and sizes at the last limit, by category: [K] in [0, 1], NaN without ground truth.
std::vector<double> per_category_ap(const CocoEvalResult& result);

// detectron2's metrics of a result; categories are listed when there are two or more.
TaskMetrics coco_metrics(const CocoEvalResult& result);

// What detectron2 gives when a model detected nothing at all: every metric NaN.
TaskMetrics empty_coco_metrics(IouType type);

// detectron2's log messages: "Evaluation results for bbox: \n" and a table of all metrics but the categories';
// "Per-category bbox AP: \n" and a table in three pairs of columns ("" with fewer than two categories).
std::string results_table_message(const TaskMetrics& metrics);
std::string per_category_table_message(const TaskMetrics& metrics);

// detectron2's "copypaste: ..." lines: three for each task.
std::vector<std::string> copypaste_lines(const std::vector<TaskMetrics>& tasks);

// Logs all of the above as detectron2 does.
void log_task_metrics(const TaskMetrics& metrics);
void log_copypaste(const std::vector<TaskMetrics>& tasks);

}  // namespace fastermask
