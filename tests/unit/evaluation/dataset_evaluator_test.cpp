// What the evaluate command calls: detections in, metrics and the results file out.
#include "fastermask/evaluation/dataset_evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using testing_support::message_of;
using testing_support::small_truth_json;

class DatasetEvaluator : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/dataset_evaluator_" + std::to_string(::getpid());
    write_truth(small_truth_json());
    dataset_ = {folder_ + "/gt.json", {3, 5}, {"cat", "dog"}};
    options_.tasks = {IouType::segm, IouType::bbox};
    options_.output_folder = folder_ + "/inference";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write_truth(const nlohmann::json& json) { write_file_atomic(folder_ + "/gt.json", json.dump()); }

  // Both objects of image 7, with masks.
  static Detections both_objects() {
    Detections detections;
    detections.image_size = {10, 20};
    detections.boxes = {{1, 1, 7, 7}, {8, 2, 12, 6}};
    detections.scores = {0.75f, 0.5f};
    detections.classes = {0, 1};
    detections.masks = {polygons_to_rle({{1, 1, 7, 1, 7, 7, 1, 7}}, 10, 20), box_to_rle({8, 2, 4, 4}, 10, 20)};
    return detections;
  }

  std::string folder_;
  EvaluationDataset dataset_;
  DatasetEvaluatorOptions options_;
};

TEST_F(DatasetEvaluator, MeasuresBoxesAsPascalVocWhenAsked) {
  nlohmann::json truth = small_truth_json();
  for (nlohmann::json& annotation : truth["annotations"]) {
    if (annotation["image_id"] != 7 || annotation["category_id"] == 5) annotation["difficult"] = 1;
  }
  write_truth(truth);
  options_.voc = VocOptions();
  CocoDatasetEvaluator evaluator(dataset_, options_);
  Detections detections = both_objects();
  detections.boxes[0] = {1, 1, 5, 7};  // IoU 2/3
  evaluator.add(7, detections);
  const std::vector<TaskMetrics> metrics = evaluator.finish();
  ASSERT_EQ(metrics.size(), 1u) << "boxes only";
  EXPECT_EQ(metrics[0].task, "bbox");
  EXPECT_NEAR(metrics[0].value("AP50"), 100, 1e-9) << "the dog is difficult: it has no AP";
  EXPECT_NEAR(metrics[0].value("AP75"), 0, 1e-9);
}

TEST_F(DatasetEvaluator, NamesCategoriesAsTheDataSetDoes) {
  dataset_.class_names = {"Katze", "Hund"};
  CocoDatasetEvaluator evaluator(dataset_, options_);
  evaluator.add(7, both_objects());
  EXPECT_NEAR(evaluator.finish()[0].value("AP-Hund"), 100, 1e-9);
}

TEST_F(DatasetEvaluator, EvaluatesAndWritesResults) {
  CocoDatasetEvaluator evaluator(dataset_, options_);
  evaluator.add(7, both_objects());
  evaluator.add(9, Detections());
  const std::vector<TaskMetrics> metrics = evaluator.finish();
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].task, "bbox");
  EXPECT_EQ(metrics[1].task, "segm");
  EXPECT_NEAR(metrics[0].value("AP"), 100, 1e-9);
  EXPECT_NEAR(metrics[1].value("AP-dog"), 100, 1e-9);
  EXPECT_EQ(evaluator.results().size(), 2u);
  const nlohmann::json written =
      nlohmann::json::parse(read_file(options_.output_folder + "/coco_instances_results.json"));
  ASSERT_EQ(written.size(), 2u);
  EXPECT_EQ(written[1]["category_id"], 5);
  EXPECT_EQ(written[1]["bbox"], nlohmann::json({8, 2, 4, 4}));
  EXPECT_EQ(written[0]["score"], 0.75);
  EXPECT_EQ(written[0]["segmentation"]["counts"], rle_to_string(both_objects().masks[0]));
}

TEST_F(DatasetEvaluator, MapsClassesInTheOrderTheDataSetHasThem) {
  dataset_.category_ids = {5, 3};
  CocoDatasetEvaluator evaluator(dataset_, options_);
  Detections detections = both_objects();
  detections.classes = {1, 0};
  evaluator.add(7, detections);
  EXPECT_NEAR(evaluator.finish()[0].value("AP"), 100, 1e-9);
}

TEST_F(DatasetEvaluator, GivesNansWithoutAnyDetection) {
  CocoDatasetEvaluator evaluator(dataset_, options_);
  evaluator.add(7, Detections());
  const std::vector<TaskMetrics> metrics = evaluator.finish();
  EXPECT_TRUE(std::isnan(metrics[0].value("AP")));
  EXPECT_EQ(metrics[0].metrics.size(), 6u);
  EXPECT_EQ(read_file(options_.output_folder + "/coco_instances_results.json"), "[]");
}

TEST_F(DatasetEvaluator, OnlyWritesTheFileForTestSets) {
  nlohmann::json json = small_truth_json();
  json.erase("annotations");
  write_truth(json);
  CocoDatasetEvaluator evaluator(dataset_, options_);
  evaluator.add(7, both_objects());
  EXPECT_TRUE(evaluator.finish().empty());
  EXPECT_TRUE(is_file(options_.output_folder + "/coco_instances_results.json"));
}

TEST_F(DatasetEvaluator, WritesNothingWithoutAFolderOrWithoutFinishing) {
  options_.output_folder = "";
  CocoDatasetEvaluator silent(dataset_, options_);
  silent.add(7, both_objects());
  EXPECT_EQ(silent.finish().size(), 2u);
  options_.output_folder = folder_ + "/other";
  { CocoDatasetEvaluator unfinished(dataset_, options_); }
  EXPECT_TRUE(std::filesystem::is_empty(options_.output_folder));
}

TEST_F(DatasetEvaluator, TakesHalfAPixelFromKeypoints) {
  Detections detections = both_objects();
  detections.keypoints = {{{1.5f, 2.5f, 0.25f}}, {{3, 4, 1}}};
  const std::vector<DetectionRecord> records = to_detection_records(7, detections);
  EXPECT_EQ(records[0].keypoints, (std::vector<double>{1, 2, 0.25}));
  EXPECT_EQ(records[0].xywh, (std::array<double, 4>{1, 1, 6, 6}));
  EXPECT_EQ(records[1].image_id, 7);
}

TEST_F(DatasetEvaluator, TakesOtherLimitsAndSigmas) {
  nlohmann::json json = small_truth_json();
  for (auto& annotation : json["annotations"]) annotation["keypoints"] = {2, 2, 2};
  write_truth(json);
  options_.tasks = {IouType::keypoints, IouType::bbox};
  options_.keypoint_sigmas = {0.1};
  options_.max_detections = {1, 10, 300};
  CocoDatasetEvaluator evaluator(dataset_, options_);
  Detections detections = both_objects();
  detections.keypoints = {{{2.5f, 2.5f, 1}}, {{2.5f, 2.5f, 1}}};
  evaluator.add(7, detections);
  const std::vector<TaskMetrics> metrics = evaluator.finish();
  EXPECT_EQ(metrics[1].task, "keypoints");
  EXPECT_NEAR(metrics[1].value("AP"), 100, 1e-9);
  EXPECT_EQ(evaluator.results()[0].params.max_detections.back(), 300);
}

TEST_F(DatasetEvaluator, RefusesDataThatDoesNotBelongTogether) {
  CocoDatasetEvaluator evaluator(dataset_, options_);
  EXPECT_EQ(message_of<DataError>([&] { evaluator.add(8, both_objects()); }),
            "evaluation: image id 8 is not among the 2 images of " + folder_ + "/gt.json");
  Detections detections = both_objects();
  detections.classes[1] = 2;
  EXPECT_EQ(message_of<DataError>([&] { evaluator.add(7, detections); }),
            "evaluation: image 7: the class must be from 0 to 1, got 2");
  dataset_.category_ids = {3, 91};
  EXPECT_EQ(message_of<DataError>([&] { CocoDatasetEvaluator(dataset_, options_); }),
            "ground truth: " + folder_ +
                "/gt.json: category id 91 of the data set is not among the 2 categories of the "
                "file");
}

}  // namespace
}  // namespace fastermask
