// Causes of errors, one picture each; the confusion matrix; Boundary AP.
#include "fastermask/evaluation/error_breakdown.h"

#include <gtest/gtest.h>

#include "fastermask/base/error.h"
#include "fastermask/evaluation/coco_eval.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/random_case.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using testing_support::message_of;
using testing_support::small_truth;

constexpr int kCat = 0, kDog = 1;  // the cat at (1, 1, 6, 6), the dog at (8, 2, 4, 4) of image 7

DetectionRecord box_record(int category, std::array<double, 4> xywh, double score) {
  DetectionRecord record;
  record.image_id = 7;
  record.category = category;
  record.xywh = xywh;
  record.has_box = true;
  record.score = score;
  return record;
}

ErrorBreakdown breakdown_of(const std::vector<DetectionRecord>& records) {
  return break_down_errors(small_truth(), records, ErrorBreakdownOptions());
}

std::int64_t count_of(const ErrorBreakdown& breakdown, ErrorCause cause) {
  return breakdown.counts[static_cast<std::size_t>(cause)];
}

double gain_of(const ErrorBreakdown& breakdown, ErrorCause cause) {
  return breakdown.ap_gain[static_cast<std::size_t>(cause)];
}

TEST(ErrorBreakdown, FindsNothingWrongWithAPerfectResult) {
  const ErrorBreakdown result =
      breakdown_of({box_record(kCat, {1, 1, 6, 6}, 0.9), box_record(kDog, {8, 2, 4, 4}, 0.8)});
  EXPECT_EQ(result.ap, 1);
  EXPECT_EQ(result.counts, (std::array<std::int64_t, kErrorCauses>{}));
  EXPECT_EQ(result.confusion, (std::vector<std::int64_t>{1, 0, 0, 0, 1, 0, 0, 0, 0}));
}

TEST(ErrorBreakdown, PutsEachErrorDownToItsCause) {
  const DetectionRecord cat = box_record(kCat, {1, 1, 6, 6}, 0.9);
  // The dog shifted to IoU 8 / 24: mended it is found, and nothing is missed then.
  ErrorBreakdown result = breakdown_of({cat, box_record(kDog, {10, 2, 4, 4}, 0.8)});
  EXPECT_EQ(count_of(result, ErrorCause::localisation), 1);
  EXPECT_EQ(count_of(result, ErrorCause::missed), 0);
  EXPECT_NEAR(gain_of(result, ErrorCause::localisation), 0.5, 1e-12);
  // The dog taken for a cat.
  result = breakdown_of({cat, box_record(kCat, {8, 2, 4, 4}, 0.95)});
  EXPECT_EQ(count_of(result, ErrorCause::classification), 1);
  EXPECT_NEAR(result.ap, 0.25, 1e-12);  // cats 1 / 2, dogs 0
  EXPECT_NEAR(gain_of(result, ErrorCause::classification), 0.75, 1e-12);
  EXPECT_EQ(result.confusion, (std::vector<std::int64_t>{1, 0, 0, 1, 0, 0, 0, 0, 0}));
  // The cat twice, and the dog not at all.
  result = breakdown_of({cat, box_record(kCat, {1, 1, 6, 5.5}, 0.8)});
  EXPECT_EQ(count_of(result, ErrorCause::duplicate), 1);
  EXPECT_EQ(count_of(result, ErrorCause::missed), 1);
  EXPECT_NEAR(gain_of(result, ErrorCause::missed), 0.5, 1e-12);
  EXPECT_EQ(result.confusion, (std::vector<std::int64_t>{1, 0, 0, 0, 0, 1, 1, 0, 0}));
  // A cat where there is nothing, better scored than the real one.
  result = breakdown_of({cat, box_record(kCat, {15, 6, 3, 3}, 0.95)});
  EXPECT_EQ(count_of(result, ErrorCause::background), 1);
  EXPECT_NEAR(gain_of(result, ErrorCause::background), 0.25, 1e-12);
  // A cat that overlaps the dog a little.
  result = breakdown_of({cat, box_record(kCat, {10, 2, 4, 4}, 0.1)});
  EXPECT_EQ(count_of(result, ErrorCause::both), 1);
}

TEST(ErrorBreakdown, TellsTheMistakesOfAnImage) {
  const auto truth = small_truth();
  const std::vector<DetectionRecord> records = {box_record(kCat, {1, 1, 6, 6}, 0.9),
                                                box_record(kCat, {15, 6, 3, 3}, 0.8),
                                                box_record(kCat, {15, 1, 3, 3}, 0.4)};  // scores too low
  const ErrorBreakdownOptions options;
  EXPECT_EQ(break_down_errors(truth, records, options).mistakes, (std::vector<std::size_t>{2, 0}));
  const auto by_image = group_by_image(*truth, records, IouType::bbox);
  const ImageMistakes mistakes = find_mistakes(*truth, 0, by_image[0], options);
  ASSERT_EQ(mistakes.missed.size(), 1u);
  EXPECT_EQ(mistakes.missed[0]->category, kDog);
  ASSERT_EQ(mistakes.wrong.size(), 1u);
  EXPECT_EQ(mistakes.wrong[0], &records[1]);
}

TEST(ErrorBreakdown, GivesTheApOfTheEvaluation) {
  int compared = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    testing_support::RandomCase made =
        testing_support::make_random_case(seed, seed % 2 == 0 ? IouType::bbox : IouType::segm);
    for (plain::Instance& truth : made.truths) truth.crowd = false;
    const auto truth =
        std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(testing_support::truth_json(made), "case"));
    const auto records = parse_results_json(testing_support::results_json(made), "case", *truth, made.params.iou_type);
    CocoEvaluator evaluator(truth, CocoEvalParams::defaults(made.params.iou_type));
    evaluator.add_all(records);
    ErrorBreakdownOptions options;
    options.iou_type = made.params.iou_type;
    const ErrorBreakdown result = break_down_errors(truth, records, options);
    EXPECT_NEAR(result.ap, evaluator.evaluate().mean_precision(0.5, "all", 100), 0.02) << "seed " << seed;
    compared += result.ap > 0.1;
  }
  EXPECT_GT(compared, 30);
}

TEST(ErrorBreakdown, RefusesWhatMakesNoSense) {
  ErrorBreakdownOptions options;
  options.iou_type = IouType::keypoints;
  EXPECT_EQ(message_of<Error>([&] { break_down_errors(small_truth(), std::vector<DetectionRecord>(), options); }),
            "error breakdown: compares boxes or masks, not keypoints");
  options = ErrorBreakdownOptions();
  options.background_iou = 0.5;
  EXPECT_EQ(message_of<Error>([&] { break_down_errors(small_truth(), std::vector<DetectionRecord>(), options); }),
            "error breakdown: IoU thresholds must be 0 < background < right <= 1, got 0.5 and 0.5");
  DetectionRecord lost = box_record(kCat, {1, 1, 6, 6}, 0.9);
  lost.image_id = 8;
  EXPECT_EQ(message_of<DataError>([&] { breakdown_of({lost}); }),
            "error breakdown: image id 8 is not among the 2 images of gt.json");
}

TEST(BoundaryAp, IsTheApOfTheLowerIou) {
  // The cat's 6 x 6 pixels less one row: masks 30 / 36; rims of one pixel 20 and 18, 14 of them in both.
  BitMask mask(10, 20);
  for (int y = 1; y < 6; ++y) std::fill_n(mask.row(y) + 1, 6, std::uint8_t{1});
  DetectionRecord record = box_record(kCat, {1, 1, 6, 5}, 0.9);
  record.mask = rle_encode(mask);
  CocoEvalParams params = CocoEvalParams::defaults(IouType::segm);
  for (const auto& [threshold, found] : {std::pair<double, double>{14.0 / 24, 1}, {0.59, 0}}) {
    params.iou_thresholds = {threshold};
    params.boundary = true;
    CocoEvaluator evaluator(small_truth(), params);
    evaluator.add(7, std::vector<DetectionRecord>{record});
    EXPECT_NEAR(evaluator.evaluate().mean_precision(-1, "all", 100, kCat), found, 1e-12) << threshold;
  }
  params.iou_type = IouType::bbox;
  EXPECT_EQ(message_of<Error>([&] { CocoEvaluator(small_truth(), params); }),
            "evaluation: Boundary AP compares masks, not bbox");
}

}  // namespace
}  // namespace fastermask
