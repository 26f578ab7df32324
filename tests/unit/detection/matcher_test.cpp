// Matcher and sampler: intervals, low-quality matches, balance, errors.
#include "fastermask/detection/matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fastermask/detection/sampler.h"
#include "unit/kernels/overlap_ref.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Ground truth 10 x 10; box i covers its left i/10: IoU 0.2, 0.3, 0.5, 0.7, 0.9.
const Boxes kSlices{{0, 0, 2, 10}, {0, 0, 3, 10}, {0, 0, 5, 10}, {0, 0, 7, 10}, {0, 0, 9, 10}};
const Boxes kSquare{{0, 0, 10, 10}};

TEST(Matcher, LabelsByIntervalWithTheLowerEndIncluded) {
  EXPECT_THAT(Matcher({0.3, 0.7}, {0, -1, 1}).match(kSquare, kSlices).labels, ElementsAre(0, -1, -1, 1, 1));
  EXPECT_THAT(Matcher({0.5}, {0, 1}).match(kSquare, kSlices).labels, ElementsAre(0, 0, 1, 1, 1));
}

TEST(Matcher, LowQualityMatchesGiveEachGroundTruthItsBestAnchor) {
  // The second ground truth's best overlap is 0.2: below the thresholds, yet it must have an anchor.
  const Boxes gt{{0, 0, 10, 10}, {100, 0, 110, 10}};
  const Boxes anchors{{0, 0, 8, 10}, {100, 0, 102, 10}, {109, 0, 110, 10}};
  EXPECT_THAT(Matcher({0.3, 0.7}, {0, -1, 1}).match(gt, anchors).labels, ElementsAre(1, 0, 0));
  const Matches matches = Matcher({0.3, 0.7}, {0, -1, 1}, {true, false}).match(gt, anchors);
  EXPECT_THAT(matches.labels, ElementsAre(1, 1, 0));
  EXPECT_THAT(matches.gt_index, ElementsAre(0, 1, 1));
}

TEST(Matcher, GroundTruthThatTouchesNothingMarksNothingUnlessAskedTo) {
  const Boxes gt{{0, 0, 10, 10}, {500, 0, 510, 10}};
  const Boxes anchors{{0, 0, 8, 10}, {100, 0, 102, 10}};
  EXPECT_THAT(Matcher({0.3, 0.7}, {0, -1, 1}, {true, false}).match(gt, anchors).labels, ElementsAre(1, 0));
  EXPECT_THAT(Matcher({0.3, 0.7}, {0, -1, 1}, {true, true}).match(gt, anchors).labels, ElementsAre(1, 1));
}

TEST(Matcher, WithoutGroundTruthEverythingIsBackground) {
  const Matches matches = Matcher({0.3, 0.7}, {0, -1, 1}, {true, true}).match({}, kSlices);
  EXPECT_THAT(matches.labels, ElementsAre(0, 0, 0, 0, 0));
  EXPECT_THAT(matches.gt_index, ElementsAre(0, 0, 0, 0, 0));
  EXPECT_THAT(matches.iou, ElementsAre(0, 0, 0, 0, 0));
}

TEST(Matcher, SaysWhatIsWrongWithItsSettings) {
  EXPECT_THAT(ref::error_of([] { Matcher({0.5}, {0}); }),
              HasSubstr("matcher: there must be one label more than thresholds, got 1 labels and 1 thresholds"));
  EXPECT_THAT(ref::error_of([] { Matcher({0.5, 0.3}, {0, -1, 1}); }),
              HasSubstr("matcher: thresholds must be positive and rising, got 0.3 after 0.5"));
  EXPECT_THAT(ref::error_of([] { Matcher({0.0}, {0, 1}); }), HasSubstr("must be positive and rising, got 0 after 0"));
  EXPECT_THAT(ref::error_of([] { Matcher({0.5}, {0, 2}); }), HasSubstr("matcher: labels must be -1, 0 or 1, got 2"));
  EXPECT_THROW(Matcher({0.5}, {0, 2}), ConfigError);
}

Random matcher_test_random() { return Random(1, RandomPurpose::test); }

TEST(SampleLabels, FirstKTakesTheFirstInIndexOrder) {
  Random random = matcher_test_random();
  const std::vector<int> labels{80, 3, -1, 80, 5, 7, 80};
  const SampledLabels sampled = sample_labels(labels, 4, 0.5, 80, random, SamplingStrategy::first_k);
  EXPECT_THAT(sampled.positives, ElementsAre(1, 4));
  EXPECT_THAT(sampled.negatives, ElementsAre(0, 3));
}

TEST(SampleLabels, NegativesFillThePlaceOfMissingPositives) {
  Random random = matcher_test_random();
  const std::vector<std::int8_t> labels{0, 1, 0, 0, -1, 0, 0};
  const SampledLabels sampled = sample_labels(labels, 5, 0.5, 0, random, SamplingStrategy::random);
  EXPECT_THAT(sampled.positives, ElementsAre(1));
  EXPECT_EQ(sampled.negatives.size(), 4u);
}

TEST(SampleLabels, RoundsTheShareOfPositivesDown) {
  Random random = matcher_test_random();
  const std::vector<std::int8_t> labels(100, 1);
  EXPECT_EQ(sample_labels(labels, 7, 0.5, 0, random, SamplingStrategy::random).positives.size(), 3u);
}

TEST(SampleLabels, IsUniformAndRepeatable) {
  const std::vector<std::int8_t> labels(40, 1);
  std::vector<int> times(labels.size(), 0);
  for (std::uint64_t place = 0; place < 2000; ++place) {
    Random random(1, RandomPurpose::test, place);
    Random again(1, RandomPurpose::test, place);
    const SampledLabels sampled = sample_labels(labels, 10, 1.0, 0, random, SamplingStrategy::random);
    ASSERT_EQ(sampled.positives, sample_labels(labels, 10, 1.0, 0, again, SamplingStrategy::random).positives);
    for (const int i : sampled.positives) ++times[static_cast<std::size_t>(i)];
  }
  // 500 expected, standard deviation 19.
  EXPECT_GT(*std::min_element(times.begin(), times.end()), 400);
  EXPECT_LT(*std::max_element(times.begin(), times.end()), 600);
}

TEST(SampleLabels, OfNothingIsNothing) {
  Random random = matcher_test_random();
  const SampledLabels sampled = sample_labels(std::vector<int>{}, 5, 0.5, 0, random, SamplingStrategy::random);
  EXPECT_THAT(sampled.positives, IsEmpty());
  EXPECT_THAT(sampled.negatives, IsEmpty());
}

TEST(SampleLabels, SaysWhatIsWrong) {
  Random random = matcher_test_random();
  const std::vector<int> labels{0, 1};
  EXPECT_THAT(ref::error_of([&] { sample_labels(labels, -1, 0.5, 0, random, SamplingStrategy::random); }),
              HasSubstr("sample_labels: num_samples must not be negative, got -1"));
  EXPECT_THAT(ref::error_of([&] { sample_labels(labels, 1, 1.5, 0, random, SamplingStrategy::random); }),
              HasSubstr("sample_labels: positive_fraction must be in [0, 1], got 1.5"));
}

}  // namespace
}  // namespace fastermask
