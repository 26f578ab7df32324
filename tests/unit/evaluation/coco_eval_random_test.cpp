// Hundreds of random cases against the plain evaluation.
#include <gtest/gtest.h>

#include "fastermask/evaluation/coco_eval.h"
#include "unit/evaluation/random_case.h"

namespace fastermask {
namespace {

using testing_support::make_random_case;
using testing_support::RandomCase;

constexpr int kCasesPerTask = 300;

// The index of the first entry further apart than 1e-12, or -1.
std::ptrdiff_t first_difference(const std::vector<double>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!(std::abs(actual[i] - expected[i]) <= 1e-12)) return static_cast<std::ptrdiff_t>(i);
  }
  return -1;
}

// How much of what the cases are for happens in them: all must, or the comparison says little.
struct CaseTally {
  int precise = 0, imprecise = 0, absent = 0, agnostic = 0, subset = 0;
};

void compare_case(std::uint64_t seed, IouType type, CaseTally& tally) {
  RandomCase made = make_random_case(seed, type);
  testing_support::set_detection_areas(made);
  const plain::Result expected = plain::evaluate(made.truths, made.detections, made.settings);
  const auto truth =
      std::make_shared<const CocoGroundTruth>(CocoGroundTruth::parse(testing_support::truth_json(made), "case"));
  CocoEvaluator evaluator(truth, made.params);
  evaluator.add_all(parse_results_json(testing_support::results_json(made), "case", *truth, type));
  const CocoEvalResult result = evaluator.evaluate();
  EXPECT_EQ(first_difference(result.precision, expected.precision), -1) << "seed " << seed;
  EXPECT_EQ(first_difference(result.recall, expected.recall), -1) << "seed " << seed;
  EXPECT_EQ(first_difference(result.scores, expected.scores), -1) << "seed " << seed;
  for (const double value : result.precision) {
    tally.absent += value < 0;
    tally.precise += value > 0.99;
    tally.imprecise += value > 0 && value < 0.9;
  }
  tally.agnostic += !made.params.use_categories;
  tally.subset += !made.params.image_ids.empty();
}

class CocoEvalRandom : public ::testing::TestWithParam<IouType> {};

TEST_P(CocoEvalRandom, EqualsThePlainEvaluation) {
  CaseTally tally;
  for (int seed = 0; seed < kCasesPerTask && !HasFailure(); ++seed) {
    compare_case(static_cast<std::uint64_t>(seed), GetParam(), tally);
  }
  EXPECT_GT(tally.precise, 1000);
  EXPECT_GT(tally.imprecise, 1000);
  EXPECT_GT(tally.absent, 1000);
  EXPECT_GT(tally.subset, 10);
  if (GetParam() != IouType::keypoints) EXPECT_GT(tally.agnostic, 10);
}

INSTANTIATE_TEST_SUITE_P(EachTask, CocoEvalRandom, ::testing::Values(IouType::bbox, IouType::segm, IouType::keypoints),
                         [](const auto& test) { return iou_type_name(test.param); });

}  // namespace
}  // namespace fastermask
