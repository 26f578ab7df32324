// VOC's average precision by hand.
#include "fastermask/evaluation/voc_eval.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/base/error.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using testing_support::message_of;
using testing_support::small_truth;
using testing_support::small_truth_json;

DetectionRecord voc_record(std::int64_t image_id, int category, std::array<double, 4> xywh, double score) {
  DetectionRecord record;
  record.image_id = image_id;
  record.category = category;
  record.xywh = xywh;
  record.has_box = true;
  record.score = score;
  return record;
}

TEST(VocAveragePrecision, MeasuresTheAreaOrElevenPoints) {
  // Right, wrong, right of two: precision 1 up to recall 0.5, then 2/3.
  const std::vector<double> recall = {0.5, 0.5, 1};
  const std::vector<double> precision = {1, 0.5, 2.0 / 3};
  EXPECT_NEAR(voc_average_precision(recall, precision, false), 0.5 + 0.5 * 2 / 3, 1e-12);
  EXPECT_NEAR(voc_average_precision(recall, precision, true), (6 + 5 * 2.0 / 3) / 11, 1e-12);
  EXPECT_EQ(voc_average_precision({}, {}, false), 0);
  EXPECT_EQ(voc_average_precision({}, {}, true), 0);
}

TEST(VocEval, GivesTheMeansOverThresholdsAndCategories) {
  // The cat exactly; the dog at IoU 12 / 16 = 0.75, which is not above 0.75: five thresholds of ten.
  const VocResult result = evaluate_voc(
      *small_truth(),
      std::vector<DetectionRecord>{voc_record(7, 0, {1, 1, 6, 6}, 0.9), voc_record(7, 1, {8, 2, 3, 4}, 0.8)});
  EXPECT_EQ(result.ap[0], (std::vector<double>{1, 1}));
  EXPECT_EQ(result.ap[5], (std::vector<double>{1, 0}));
  EXPECT_NEAR(result.metrics().value("AP"), 75, 1e-9);
  EXPECT_NEAR(result.metrics().value("AP50"), 100, 1e-9);
  EXPECT_NEAR(result.metrics().value("AP75"), 50, 1e-9);
  EXPECT_EQ(result.metrics().task, "bbox");
}

TEST(VocEval, CountsSecondsAndStraysAsWrongButNotDifficultOnes) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0]["category_id"] = 3;
  json["annotations"][0]["ignore"] = 1;  // difficult
  const CocoGroundTruth truth = CocoGroundTruth::parse(json.dump(), "gt.json");
  const VocResult result = evaluate_voc(
      truth, std::vector<DetectionRecord>{voc_record(7, 0, {8, 2, 4, 4}, 0.9),    // the difficult one: not counted
                                          voc_record(9, 0, {1, 1, 6, 6}, 0.8),    // stray
                                          voc_record(7, 0, {1, 1, 6, 6}, 0.7)});  // right
  EXPECT_NEAR(result.ap[0][0], 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(result.ap[0][1]));
  EXPECT_NEAR(result.metrics().value("AP50"), 50, 1e-9);
  const VocResult seconds = evaluate_voc(
      truth, std::vector<DetectionRecord>{voc_record(7, 0, {1, 1, 6, 6}, 0.7), voc_record(7, 0, {1, 1, 6, 6}, 0.9)});
  EXPECT_NEAR(seconds.ap[0][0], 1, 1e-12);  // the second comes after the recall is reached
}

TEST(VocEval, RoundsAsResultFilesDo) {
  // Scores that differ in the fourth decimal tie, and keep their order.
  const std::vector<DetectionRecord> records = {voc_record(9, 0, {1, 1, 6, 6}, 0.7001),
                                                voc_record(7, 0, {1, 1, 6, 6}, 0.7003)};
  VocOptions options;
  EXPECT_NEAR(evaluate_voc(*small_truth(), records, options).ap[0][0], 0.5, 1e-12);
  options.round_as_files = false;
  EXPECT_NEAR(evaluate_voc(*small_truth(), records, options).ap[0][0], 1, 1e-12);
}

TEST(VocEval, RefusesWrongDetections) {
  EXPECT_EQ(message_of<DataError>(
                [] { evaluate_voc(*small_truth(), std::vector<DetectionRecord>{voc_record(8, 0, {}, 1)}); }),
            "voc: image id 8 is not among the 2 images of gt.json");
  DetectionRecord bare = voc_record(7, 0, {}, 1);
  bare.has_box = false;
  EXPECT_EQ(message_of<DataError>([&] { evaluate_voc(*small_truth(), std::vector<DetectionRecord>{bare}); }),
            "voc: image 7: a detection has no box");
}

}  // namespace
}  // namespace fastermask
