// COCO evaluation by hand: small cases whose numbers can be told by looking, and every error.
#include "fastermask/evaluation/coco_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/evaluation/summary.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/random_case.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using ::testing::Each;
using testing_support::message_of;
using testing_support::small_truth;
using testing_support::small_truth_json;

DetectionRecord box_record(std::int64_t image_id, int category, std::array<double, 4> xywh, double score) {
  DetectionRecord record;
  record.image_id = image_id;
  record.category = category;
  record.xywh = xywh;
  record.has_box = true;
  record.score = score;
  return record;
}

CocoEvalResult evaluate(const std::shared_ptr<const CocoGroundTruth>& truth,
                        const std::vector<DetectionRecord>& records,
                        const CocoEvalParams& params = CocoEvalParams::defaults(IouType::bbox)) {
  CocoEvaluator evaluator(truth, params);
  evaluator.add_all(records);
  return evaluator.evaluate();
}

std::shared_ptr<const CocoGroundTruth> parse_truth(const nlohmann::json& json) {
  return std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(json.dump(), "gt.json"));
}

TEST(CocoEvalParams, HasCocosThresholds) {
  const CocoEvalParams params = CocoEvalParams::defaults(IouType::bbox);
  // As numpy's linspace rounds them.
  EXPECT_EQ(params.iou_thresholds,
            (std::vector<double>{0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95}));
  EXPECT_EQ(params.recall_thresholds.size(), 101u);
  EXPECT_EQ(params.recall_thresholds[29], 0.29);
  EXPECT_EQ(params.recall_thresholds.back(), 1.0);
  EXPECT_EQ(params.max_detections, (std::vector<int>{1, 10, 100}));
  EXPECT_EQ(params.area_ranges[2].label, "medium");
  EXPECT_EQ(params.area_ranges[2].low, 1024);
  const CocoEvalParams keypoints = CocoEvalParams::defaults(IouType::keypoints);
  EXPECT_EQ(keypoints.keypoint_sigmas.size(), 17u);
  EXPECT_EQ(keypoints.area_ranges.size(), 3u);
  EXPECT_EQ(keypoints.max_detections, (std::vector<int>{20}));
}

TEST(CocoEval, GivesFullMarksToPerfectDetections) {
  const CocoEvalResult result =
      evaluate(small_truth(), {box_record(7, 0, {1, 1, 6, 6}, 0.5), box_record(7, 1, {8, 2, 4, 4}, 0.4)});
  EXPECT_NEAR(result.stats[0], 1, 1e-12);  // AP
  EXPECT_NEAR(result.stats[3], 1, 1e-12);  // small: both are
  EXPECT_EQ(result.stats[4], -1);          // medium: none is
  EXPECT_EQ(result.stats[8], 1);           // AR at 100
  EXPECT_EQ(result.truth_counts[0], 1);
  EXPECT_EQ(result.scores.front(), 0.5);
}

TEST(CocoEval, CountsAWrongDetectionAboveARightOne) {
  // The cat is found second, after a false alarm: precision 1/2 at every recall.
  const CocoEvalResult result =
      evaluate(small_truth(), {box_record(7, 0, {1, 1, 6, 6}, 0.5), box_record(9, 0, {1, 1, 6, 6}, 0.6)});
  EXPECT_NEAR(result.mean_precision(0.5, "all", 100, 0), 0.5, 1e-12);
  EXPECT_EQ(result.mean_precision(0.5, "all", 100, 1), 0);  // the dog is missed
  EXPECT_EQ(result.mean_recall(-1, "all", 100, 0), 1);
  EXPECT_EQ(result.mean_recall(-1, "all", 100, 1), 0);
}

TEST(CocoEval, HoldsLooseBoxesAgainstStrictThresholds) {
  // 5 x 6 of 6 x 6: IoU 30 / 36 = 0.83 passes 0.5 to 0.8 (seven of ten thresholds).
  const CocoEvalResult result = evaluate(small_truth(), {box_record(7, 0, {1, 1, 5, 6}, 0.5)});
  EXPECT_NEAR(result.mean_precision(-1, "all", 100, 0), 0.7, 1e-12);
  EXPECT_EQ(result.mean_precision(0.85, "all", 100, 0), 0);
}

TEST(CocoEval, CountsASecondDetectionOfTheSameObjectAsWrong) {
  const CocoEvalResult result = evaluate(
      small_truth(),
      {box_record(7, 0, {1, 1, 6, 6}, 0.5), box_record(7, 0, {1, 1, 6, 6}, 0.6), box_record(7, 1, {8, 2, 4, 4}, 0.4)});
  EXPECT_NEAR(result.mean_precision(0.5, "all", 100, 0), 1, 1e-12);  // at the recall reached, the second does no harm
  EXPECT_EQ(result.scores[0], 0.6);
}

TEST(CocoEval, LetsAnyNumberOfDetectionsLieInACrowd) {
  nlohmann::json json = small_truth_json();
  json["annotations"][1]["iscrowd"] = 1;
  std::vector<DetectionRecord> records = {box_record(7, 1, {8, 2, 4, 4}, 0.4)};
  for (int i = 0; i < 3; ++i) records.push_back(box_record(7, 0, {2, 2, 2, 2}, 0.9));
  const CocoEvalResult result = evaluate(parse_truth(json), records);
  EXPECT_EQ(result.mean_precision(-1, "all", 100, 0), -1);  // a crowd is no instance to find
  EXPECT_NEAR(result.mean_precision(-1, "all", 100, 1), 1, 1e-12);
}

TEST(CocoEval, CountsOnlyTheBestDetectionsUpToTheLimit) {
  std::vector<DetectionRecord> records = {box_record(7, 0, {1, 1, 6, 6}, 0.5)};
  for (int i = 0; i < 10; ++i) records.push_back(box_record(7, 0, {12, 1, 6, 6}, 0.9));
  const CocoEvalResult result = evaluate(small_truth(), records);
  EXPECT_EQ(result.mean_recall(-1, "all", 1, 0), 0);
  EXPECT_EQ(result.mean_recall(-1, "all", 10, 0), 0);
  EXPECT_EQ(result.mean_recall(-1, "all", 100, 0), 1);
}

TEST(CocoEval, GivesZeroWithoutDetectionsAndNothingWithoutTruth) {
  const CocoEvalResult none = evaluate(small_truth(), {});
  EXPECT_EQ(none.stats[0], 0);
  EXPECT_EQ(none.stats[8], 0);
  nlohmann::json json = small_truth_json();
  json["annotations"] = nlohmann::json::array();
  const CocoEvalResult nothing = evaluate(parse_truth(json), {box_record(7, 0, {1, 1, 6, 6}, 0.5)});
  EXPECT_THAT(nothing.stats, Each(-1));
  EXPECT_THAT(nothing.precision, Each(-1));
}

TEST(CocoEval, TakesAnAnnotationWithIdZeroForNoMatchAsPycocotoolsDoes) {
  nlohmann::json json = small_truth_json();
  json["annotations"][1]["id"] = 0;
  EXPECT_EQ(evaluate(parse_truth(json), {box_record(7, 0, {1, 1, 6, 6}, 0.5)}).mean_precision(0.5, "all", 100, 0), 0);
}

TEST(CocoEval, HeedsTheIgnoreFieldOnlyWhenAsked) {
  nlohmann::json json = small_truth_json();
  json["annotations"][1]["ignore"] = 1;
  CocoEvalParams params = CocoEvalParams::defaults(IouType::bbox);
  EXPECT_EQ(evaluate(parse_truth(json), {}, params).mean_precision(-1, "all", 100, 0), 0);
  params.use_ignore_field = true;
  EXPECT_EQ(evaluate(parse_truth(json), {}, params).mean_precision(-1, "all", 100, 0), -1);
}

TEST(CocoEval, TakesTheSizeOfAMaskFromItsBoxWhenAsked) {
  // A stray mask of 4 pixels with a box of 40 x 40: at "small" it counts as wrong, unless its box says it is medium.
  nlohmann::json json = small_truth_json();
  json["images"] = {{{"id", 7}, {"height", 64}, {"width", 64}}};
  json["annotations"][0]["segmentation"] = {{8, 2, 4, 4}};
  const auto truth = parse_truth(json);
  DetectionRecord found = box_record(7, 0, {1, 1, 6, 6}, 0.5);
  found.mask = polygons_to_rle({{1, 1, 7, 1, 7, 7, 1, 7}}, 64, 64);
  DetectionRecord stray = box_record(7, 0, {20, 20, 40, 40}, 0.9);
  stray.mask = box_to_rle({30, 30, 2, 2}, 64, 64);
  CocoEvalParams params = CocoEvalParams::defaults(IouType::segm);
  EXPECT_NEAR(evaluate(truth, {found, stray}, params).mean_precision(0.5, "small", 100, 0), 0.5, 1e-12);
  params.segm_area_from_box = true;
  EXPECT_NEAR(evaluate(truth, {found, stray}, params).mean_precision(0.5, "small", 100, 0), 1, 1e-12);
}

TEST(CocoEval, DoesNotDependOnHowDetectionsAreAdded) {
  auto made = testing_support::make_random_case(5, IouType::bbox);
  const auto truth =
      std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(testing_support::truth_json(made), "case"));
  const auto records = parse_results_json(testing_support::results_json(made), "case", *truth, IouType::bbox);
  CocoEvaluator one_by_one(truth, made.params);
  for (auto image = truth->images().rbegin(); image != truth->images().rend(); ++image) {
    std::vector<DetectionRecord> mine;
    for (const DetectionRecord& record : records) {
      if (record.image_id == image->id) mine.push_back(record);
    }
    one_by_one.add(image->id, mine);
  }
  CocoEvaluator serial(truth, made.params);
  {
    const SerialScope scope;
    serial.add_all(records);
  }
  const CocoEvalResult all = evaluate(truth, records, made.params);
  EXPECT_EQ(one_by_one.evaluate().precision, all.precision);
  EXPECT_EQ(serial.evaluate().scores, all.scores);
  EXPECT_GT(serial.memory_bytes(), records.size());
}

TEST(CocoEval, RefusesWrongDetections) {
  CocoEvaluator boxes(small_truth(), CocoEvalParams::defaults(IouType::bbox));
  const auto add = [&](CocoEvaluator& evaluator, const DetectionRecord& record) {
    return message_of<DataError>([&] { evaluator.add(record.image_id, Span<const DetectionRecord>(&record, 1)); });
  };
  const DetectionRecord good = box_record(7, 0, {1, 1, 6, 6}, 0.5);
  EXPECT_EQ(add(boxes, box_record(8, 0, {1, 1, 6, 6}, 0.5)),
            "evaluation: image id 8 is not among the 2 images of gt.json");
  EXPECT_EQ(add(boxes, good), "nothing thrown");
  EXPECT_EQ(add(boxes, good), "evaluation: image 7 is added twice; all its detections must come at once");
  const auto first_add = [&](IouType type, const DetectionRecord& record) {
    CocoEvalParams params = CocoEvalParams::defaults(type);
    params.keypoint_sigmas = {0.1};
    nlohmann::json json = small_truth_json();
    for (auto& annotation : json["annotations"]) annotation["keypoints"] = {1, 1, 2};
    CocoEvaluator evaluator(parse_truth(json), params);
    return add(evaluator, record);
  };
  EXPECT_EQ(first_add(IouType::bbox, box_record(7, 2, {1, 1, 6, 6}, 0.5)),
            "evaluation: image 7: the category must be from 0 to 1, got 2");
  EXPECT_EQ(first_add(IouType::bbox, box_record(7, 0, {1, 1, 6, 6}, std::nan(""))),
            "evaluation: image 7: the score must be a finite number, got nan");
  DetectionRecord bare = good;
  bare.has_box = false;
  EXPECT_EQ(first_add(IouType::bbox, bare), "evaluation: image 7: a detection has no box");
  EXPECT_EQ(first_add(IouType::segm, good), "evaluation: image 7: a detection has no mask");
  DetectionRecord other_size = good;
  other_size.mask = Rle{5, 5, {25}};
  EXPECT_EQ(first_add(IouType::segm, other_size),
            "evaluation: image 7: a detection's mask is 5 x 5, the image is 10 x 20 (height x width)");
  EXPECT_EQ(first_add(IouType::keypoints, good),
            "evaluation: image 7: a detection has 0 keypoints, there are 1 sigmas (TEST.KEYPOINT_OKS_SIGMAS)");
}

TEST(CocoEval, RefusesParametersThatMakeNoSense) {
  const auto with = [](const std::function<void(CocoEvalParams&)>& change, IouType type = IouType::bbox) {
    CocoEvalParams params = CocoEvalParams::defaults(type);
    change(params);
    return message_of<Error>([&] { CocoEvaluator(small_truth(), params); });
  };
  EXPECT_EQ(with([](CocoEvalParams& p) { p.iou_thresholds.clear(); }),
            "evaluation: there must be 1 to 32 IoU thresholds, got 0");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.iou_thresholds.resize(33); }),
            "evaluation: there must be 1 to 32 IoU thresholds, got 33");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.recall_thresholds.clear(); }),
            "evaluation: there must be at least one recall threshold");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.area_ranges.clear(); }),
            "evaluation: there must be at least one area range");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.max_detections.clear(); }),
            "evaluation: there must be at least one limit on detections");
  EXPECT_EQ(with([](CocoEvalParams& p) {
              p.max_detections = {10, 10};
            }),
            "evaluation: limits on detections must be positive and rising, got 10 after 10");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.image_ids = {8}; }),
            "evaluation: image id 8 is not among the 2 images of gt.json");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.keypoint_sigmas.clear(); }, IouType::keypoints),
            "evaluation: comparing keypoints needs the sigma of each keypoint");
  EXPECT_EQ(with([](CocoEvalParams& p) { p.keypoint_sigmas = {0.0}; }, IouType::keypoints),
            "evaluation: keypoint sigmas must be positive, got 0");
  EXPECT_EQ(with([](CocoEvalParams&) {}, IouType::keypoints),
            "ground truth: gt.json: annotation 12 (image 7): has 0 keypoints, there are 17 sigmas "
            "(TEST.KEYPOINT_OKS_SIGMAS)");
}

}  // namespace
}  // namespace fastermask
