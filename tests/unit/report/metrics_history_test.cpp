// Reading the curves of a metrics file: choice of lines, resumed runs, odd numbers, damaged lines, and speed.
#include "fastermask/report/metrics_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include <fmt/format.h>

namespace fastermask {
namespace {

using ::testing::ElementsAre;

// `count` lines as a trainer writes them every 20 iterations, an evaluation after every `evaluation_period` lines.
std::string many_metrics_lines(int count, int evaluation_period) {
  std::string text;
  for (int i = 1; i <= count; ++i) {
    const int iteration = 20 * i - 1;
    text += fmt::format(
        "{{\"data_time\": 0.065, \"eta_seconds\": 45.2, \"fast_rcnn/cls_accuracy\": 0.93, \"iteration\": {}, "
        "\"loss_box_reg\": 0.36521801352500916, \"loss_cls\": 0.14875489473342896, \"loss_mask\": 0.2373133823275566, "
        "\"loss_rpn_cls\": 0.036580873653292656, \"loss_rpn_loc\": 0.04538072273135185, \"lr\": 0.0002, "
        "\"mask_rcnn/accuracy\": 0.8977897799744898, \"mask_rcnn/false_negative\": 0.061151358511434606, "
        "\"roi_head/num_bg_samples\": 96.0, \"rpn/num_neg_anchors\": 108.25, \"time\": 2.1, \"total_loss\": {}}}\n",
        iteration, 1.0 + 1.0 / i);
    if (i % evaluation_period == 0) {
      text += fmt::format("{{\"bbox/AP\": {}, \"iteration\": {}}}\n", i / evaluation_period, iteration + 1);
    }
  }
  return text;
}

TEST(MetricsHistory, IsEmptyForEmptyText) {
  const MetricsHistory history = parse_metrics_history("");
  EXPECT_TRUE(history.training.iterations.empty());
  EXPECT_TRUE(history.evaluation.iterations.empty());
}

TEST(MetricsHistory, KeepsAValueThatOneLineLacksAsNan) {
  const auto table = parse_metrics_history("{\"iteration\":1,\"loss_a\":3}\n{\"iteration\":2,\"lr\":-4e-3}").training;
  EXPECT_THAT(table.iterations, ElementsAre(1, 2));
  EXPECT_EQ(table.series.at("loss_a")[0], 3);
  EXPECT_TRUE(std::isnan(table.series.at("loss_a")[1]));
  EXPECT_TRUE(std::isnan(table.series.at("lr")[0]));
  EXPECT_EQ(table.series.at("lr")[1], -0.004);
}

TEST(MetricsHistory, SplitsALineThatHoldsLossesAndResults) {
  const auto history = parse_metrics_history("{\"total_loss\": 2, \"segm/AP50\": 61, \"iteration\": 5, \"eta\": 3}\n");
  EXPECT_EQ(history.training.series.size(), 1U);
  EXPECT_THAT(history.training.series.at("total_loss"), ElementsAre(2));
  EXPECT_EQ(history.evaluation.series.size(), 1U);
  EXPECT_THAT(history.evaluation.series.at("segm/AP50"), ElementsAre(61));
}

TEST(MetricsHistory, LetsLaterLinesOfAResumedRunReplaceEarlierOnes) {
  const auto table = parse_metrics_history(
                         "{\"iteration\":10,\"lr\":1}\n{\"iteration\":20,\"lr\":2}\n{\"iteration\":30,\"lr\":3}\n"
                         "{\"iteration\":20,\"lr\":5}\n{\"iteration\":40,\"lr\":6}\n")
                         .training;
  EXPECT_THAT(table.iterations, ElementsAre(10, 20, 40));
  EXPECT_THAT(table.series.at("lr"), ElementsAre(1, 5, 6));
}

TEST(MetricsHistory, LeavesOutLinesThatAreNotFlatObjectsWithAnIteration) {
  const auto table = parse_metrics_history(
                         "\n[1]\n{}\n{\"lr\":1}\n{\"iteration\":1,\"lr\":{\"a\":1}}\n{\"iteration\":2,\"lr\":1} x\n"
                         "{\"iteration\":NaN,\"lr\":1}\n{\"iteration\":-3,\"lr\":1}\n{\"iteration\":4,\"lr\":}\n"
                         "{\"iteration\":5,\"lr\\\n{\"iteration\":6,\"note\":\"a\\\"b\",\"ok\":true,\"lr\":7}\r\n"
                         "{\"iteration\":8,\"l")
                         .training;
  EXPECT_THAT(table.iterations, ElementsAre(6));
  EXPECT_THAT(table.series.at("lr"), ElementsAre(7));
}

TEST(MetricsHistory, ReadsNanInfinityAndNullAsNan) {
  const auto table =
      parse_metrics_history("{\"iteration\":1,\"loss_a\":NaN,\"loss_b\":-Infinity,\"loss_c\":null,\"loss_d\":1e999}")
          .training;
  for (const char* name : {"loss_a", "loss_b", "loss_c", "loss_d"}) {
    EXPECT_TRUE(std::isnan(table.series.at(name).at(0))) << name;
  }
}

TEST(MetricsHistory, ThinsOutShortTextsToFirstLastAndEvenlySpreadLines) {
  std::string text;
  for (int i = 0; i <= 100; ++i) text += fmt::format("{{\"iteration\":{},\"lr\":1}}\n", i);
  EXPECT_THAT(parse_metrics_history(text, 5).training.iterations, ElementsAre(0, 25, 50, 75, 100));
}

TEST(MetricsHistory, SamplesLongTextsEvenlyAndFindsEveryEvaluation) {
  std::string text = many_metrics_lines(20000, 1000);
  text += "{\"iteration\": 400019, \"lr\": 0.";  // half written
  const auto history = parse_metrics_history(text);
  const auto& iterations = history.training.iterations;
  EXPECT_GT(iterations.size(), 900U);
  EXPECT_LE(iterations.size(), 1005U);
  EXPECT_EQ(iterations.front(), 19);
  EXPECT_EQ(iterations.back(), 399999);
  for (std::size_t i = 1; i < iterations.size(); ++i) {
    EXPECT_LT(iterations[i - 1], iterations[i]);
    EXPECT_LE(iterations[i] - iterations[i - 1], 900);  // 400 on average
  }
  EXPECT_EQ(history.evaluation.iterations.size(), 20U);
  EXPECT_EQ(history.evaluation.iterations.front(), 20000);
  EXPECT_EQ(history.evaluation.series.at("bbox/AP").back(), 20);
}

TEST(MetricsHistory, TakesHundredThousandLinesInFarLessThanASecond) {
  const std::string text = many_metrics_lines(100000, 5000);
  const auto start = std::chrono::steady_clock::now();
  const auto history = parse_metrics_history(text);
  const auto milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(history.evaluation.iterations.size(), 20U);
  RecordProperty("milliseconds", fmt::format("{:.1f}", milliseconds));
  EXPECT_LT(milliseconds, 500);  // 10 times what a quiet machine takes, so that a busy one passes
}

}  // namespace
}  // namespace fastermask
