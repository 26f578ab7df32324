// Summary lines, tables, metric names: as pycocotools and detectron2 print them.
#include "fastermask/evaluation/summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fastermask {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A result of two categories whose precision is `precision` at every place, but absent at "large".
CocoEvalResult flat_result(IouType type, double precision, double recall) {
  CocoEvalResult result;
  result.params = CocoEvalParams::defaults(type);
  result.category_ids = {1, 2};
  result.category_names = {"cat", "dog"};
  const std::size_t ranges = result.params.area_ranges.size();
  const std::size_t piece = 2 * ranges * result.params.max_detections.size();
  result.precision.assign(10 * 101 * piece, precision);
  result.scores = result.precision;
  result.recall.assign(10 * piece, recall);
  const std::size_t limits = result.params.max_detections.size();
  for (std::size_t i = 0; i < result.precision.size(); ++i) {
    if (i / limits % ranges == ranges - 1) result.precision[i] = -1;
  }
  result.stats = coco_summary_stats(result);
  return result;
}

TEST(CocoSummary, PrintsBoxLinesAsPycocotools) {
  EXPECT_EQ(coco_summary_lines(flat_result(IouType::bbox, 0.3244, 0.5)),
            (std::vector<std::string>{
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.324",
                " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.324",
                " Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.324",
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.324",
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.324",
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = 0.500"}));
}

TEST(CocoSummary, PrintsKeypointLinesAsPycocotools) {
  EXPECT_EQ(coco_summary_lines(flat_result(IouType::keypoints, 0.25, 0.5)),
            (std::vector<std::string>{
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ] = 0.250",
                " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets= 20 ] = 0.250",
                " Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets= 20 ] = 0.250",
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets= 20 ] = 0.250",
                " Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets= 20 ] = -1.000",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50      | area=   all | maxDets= 20 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.75      | area=   all | maxDets= 20 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets= 20 ] = 0.500",
                " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets= 20 ] = 0.500"}));
}

TEST(CocoSummary, PutsOtherLimitsIntoTheLines) {
  CocoEvalResult result = flat_result(IouType::bbox, 0.5, 0.5);
  result.params.max_detections = {1, 10, 300};
  EXPECT_EQ(coco_summary_lines(result)[0],
            " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 ] = 0.500");
}

TEST(CocoSummary, HasNoNumberForWhatWasNotEvaluated) {
  const CocoEvalResult result = flat_result(IouType::bbox, 0.5, 0.5);
  EXPECT_EQ(result.mean_precision(0.51, "all", 100), -1);
  EXPECT_EQ(result.mean_precision(-1, "huge", 100), -1);
  EXPECT_EQ(result.mean_precision(-1, "all", 99), -1);
  EXPECT_EQ(result.mean_recall(-1, "huge", 100), -1);
  EXPECT_EQ(result.mean_recall(0.51, "all", 100), -1);
}

TEST(CocoMetrics, AreNamedAndScaledAsDetectron2HasThem) {
  const TaskMetrics metrics = coco_metrics(flat_result(IouType::bbox, 0.25, 0.5));
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics.metrics) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"AP", "AP50", "AP75", "APs", "APm", "APl", "AP-cat", "AP-dog"}));
  EXPECT_EQ(metrics.value("AP"), 25);
  EXPECT_EQ(metrics.value("AP-dog"), 25);
  EXPECT_TRUE(std::isnan(metrics.value("APl")));
  EXPECT_TRUE(std::isnan(metrics.value("AP-bird")));
  EXPECT_EQ(flatten_metrics({metrics})[6].first, "bbox/AP-cat");
  const TaskMetrics empty = empty_coco_metrics(IouType::keypoints);
  EXPECT_EQ(empty.metrics.size(), 5u);
  EXPECT_TRUE(std::isnan(empty.value("AP")));
}

TEST(CocoMetrics, LeaveOutTheOnlyCategory) {
  CocoEvalResult result = flat_result(IouType::bbox, 0.25, 0.5);
  result.category_names = {"cat"};
  EXPECT_EQ(coco_metrics(result).metrics.size(), 6u);
}

TEST(CocoTables, LookLikeDetectron2s) {
  TaskMetrics metrics;
  metrics.task = "bbox";
  metrics.metrics = {{"AP", 40.2204}, {"AP50", 61.024}, {"AP75", kNan}, {"APs", 4.176}, {"APm", 100}, {"APl", 52.0435}};
  EXPECT_EQ(results_table_message(metrics),
            "Evaluation results for bbox: \n"
            "|   AP   |  AP50  |  AP75  |  APs  |   APm   |  APl   |\n"
            "|:------:|:------:|:------:|:-----:|:-------:|:------:|\n"
            "| 40.220 | 61.024 |  nan   | 4.176 | 100.000 | 52.044 |");
  EXPECT_EQ(per_category_table_message(metrics), "");
  metrics.metrics = {{"AP-person", 55.0141}, {"AP-bicycle", kNan}, {"AP-traffic light", 3}, {"AP-t-shirt", 43.5}};
  EXPECT_EQ(per_category_table_message(metrics),
            "Per-category bbox AP: \n"
            "| category   | AP     | category   | AP   | category      | AP    |\n"
            "|:-----------|:-------|:-----------|:-----|:--------------|:------|\n"
            "| person     | 55.014 | bicycle    | nan  | traffic light | 3.000 |\n"
            "| t-shirt    | 43.500 |            |      |               |       |");
}

TEST(CocoTables, KeepColumnsStraightWithAccents) {
  TaskMetrics metrics;
  metrics.task = "segm";
  metrics.metrics = {{"AP-\xC3\xA9l\xC3\xA9phant gris", 1}, {"AP-x", 2}};
  EXPECT_EQ(per_category_table_message(metrics),
            "Per-category segm AP: \n"
            "| category      | AP    | category   | AP    |\n"
            "|:--------------|:------|:-----------|:------|\n"
            "| \xC3\xA9l\xC3\xA9phant gris | 1.000 | x          | 2.000 |");
}

TEST(CopypasteLines, LeaveOutCategories) {
  TaskMetrics metrics;
  metrics.task = "bbox";
  metrics.metrics = {{"AP", 38.12341}, {"AP50", kNan}, {"AP-cat", 1}};
  EXPECT_EQ(copypaste_lines({metrics}), (std::vector<std::string>{"copypaste: Task: bbox", "copypaste: AP,AP50",
                                                                  "copypaste: 38.1234,nan"}));
}

}  // namespace
}  // namespace fastermask
