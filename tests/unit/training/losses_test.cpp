// Losses against values worked by hand, empty inputs and errors.
#include "fastermask/training/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastermask {
namespace {

using testing::ThrowsMessage;

// A leaf that wants a gradient, of the given shape.
at::Tensor leaf(const std::vector<float>& values, const Shape& shape) {
  return to_tensor(values).view(shape).clone().set_requires_grad(true);
}

double value_of(const at::Tensor& tensor) { return tensor.item<double>(); }

double box_loss(const BoxLossSpec& spec, const std::vector<float>& deltas, const Box& source, const Box& truth) {
  return value_of(box_regression_loss(spec, leaf(deltas, {1, 4}), {source}, {truth}));
}

BoxLossSpec spec_of(const std::string& type, double beta = 0) { return {type, beta, {1, 1, 1, 1}}; }

TEST(Losses, SigmoidCrossEntropyIsSummed) {
  // ln 2 + (2 + ln(1 + e^-2)) + (1 + ln(1 + e^-1))
  EXPECT_NEAR(value_of(sigmoid_cross_entropy_sum(leaf({0, 2, -1}, {3}), to_tensor(std::vector<float>{1, 0, 1}))),
              4.133337, 1e-5);
}

TEST(Losses, SoftmaxCrossEntropyIsTheMeanOverSamples) {
  EXPECT_NEAR(value_of(softmax_cross_entropy_mean(leaf({0, 0, 2, 0}, {2, 2}), {0, 1})), (0.693147 + 2.126928) / 2,
              1e-5);
}

TEST(Losses, SmoothL1IsPlainL1AtBetaZeroAndSquareBelowBeta) {
  const Box box = {0, 0, 10, 10};
  const std::vector<float> deltas = {0.5f, -0.2f, 0.05f, 2};
  EXPECT_NEAR(box_loss(spec_of("smooth_l1", 0), deltas, box, box), 2.75, 1e-5);
  // 0.45 + 0.15 + 0.5 * 0.05^2 / 0.1 + 1.95
  EXPECT_NEAR(box_loss(spec_of("smooth_l1", 0.1), deltas, box, box), 2.5625, 1e-5);
}

TEST(Losses, TargetsAreEncodedWithTheCodersWeights) {
  // One pixel right of a 10-pixel box is 0.1, times the weight 10; the height's double is ln 2, times 5.
  const BoxLossSpec spec = {"smooth_l1", 0, {10, 10, 5, 5}};
  EXPECT_NEAR(box_loss(spec, {0, 0, 0, 0}, {0, 0, 10, 10}, {1, -5, 11, 15}), 1 + 5 * 0.693147, 1e-4);
}

TEST(Losses, GeneralisedIouLossesEqualHandWork) {
  const std::vector<float> still = {0, 0, 0, 0};
  // Overlap 2 of 6, hull 6: no gap.
  EXPECT_NEAR(box_loss(spec_of("giou"), still, {0, 0, 2, 2}, {1, 0, 3, 2}), 2.0 / 3, 1e-5);
  // Apart: a third of the hull is gap.
  EXPECT_NEAR(box_loss(spec_of("giou"), still, {0, 0, 1, 1}, {2, 0, 3, 1}), 4.0 / 3, 1e-5);
  // Centres one apart, hull diagonal squared 13.
  EXPECT_NEAR(box_loss(spec_of("diou"), still, {0, 0, 2, 2}, {1, 0, 3, 2}), 2.0 / 3 + 1.0 / 13, 1e-5);
  // IoU 1/2, distance 1/20, v = 4 / pi^2 (atan 2 - atan 1)^2 = 0.0419565, alpha = v / (0.5 + v).
  EXPECT_NEAR(box_loss(spec_of("ciou"), still, {0, 0, 2, 2}, {0, 0, 4, 2}), 0.553248, 1e-5);
  EXPECT_NEAR(box_loss(spec_of("ciou"), still, {0, 0, 2, 2}, {0, 0, 2, 2}), 0, 1e-6);
}

TEST(Losses, DecodingMovesAndScalesAndClampsTheScale) {
  const at::Tensor boxes = leaf({0, 0, 10, 20}, {1, 4});
  const at::Tensor decoded = decode_deltas({10, 10, 5, 5}, leaf({1, -1, 5 * 0.693147f, 1000}, {1, 4}), boxes);
  const std::vector<float> got = to_array(decoded).to_floats();
  // Centre (5 + 1, 10 - 2); width doubled; height times 1000 / 16.
  EXPECT_NEAR(got[0], 6 - 10, 1e-4);
  EXPECT_NEAR(got[2], 6 + 10, 1e-4);
  EXPECT_NEAR(got[1], 8 - 625, 1e-2);
  EXPECT_NEAR(got[3], 8 + 625, 1e-2);
}

TEST(Losses, TheMaskLossLooksOnlyAtTheTrueClass) {
  const at::Tensor logits = leaf({9, 9, 9, 9, 0, 0, 2, -1}, {1, 2, 2, 2});
  at::Tensor selected;
  const at::Tensor loss = mask_loss(logits, {1}, {1, 0, 1, 0}, &selected);
  EXPECT_NEAR(value_of(loss), (2 * 0.693147 + 0.126928 + 0.313262) / 4, 1e-5);
  EXPECT_EQ(to_array(selected).to_floats(), (std::vector<float>{0, 0, 2, -1}));
  loss.backward();
  const std::vector<float> gradient = to_array(logits.grad()).to_floats();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(gradient[i], 0);
  EXPECT_NEAR(gradient[4], -0.125, 1e-6);  // (0.5 - 1) / 4
}

TEST(Losses, AClassAgnosticMaskHasOneMapForAll) {
  EXPECT_NEAR(value_of(mask_loss(leaf({0, 0, 2, -1}, {1, 1, 2, 2}), {3}, {1, 0, 1, 0})), 0.456621, 1e-5);
}

TEST(Losses, NothingGivesZeroWithAGradientOfZero) {
  const at::Tensor logits = leaf({}, {0, 4});
  EXPECT_EQ(value_of(softmax_cross_entropy_mean(logits, {})), 0);
  EXPECT_EQ(value_of(box_regression_loss(spec_of("smooth_l1"), logits, {}, {})), 0);
  EXPECT_EQ(value_of(box_regression_loss(spec_of("giou"), logits, {}, {})), 0);
  EXPECT_EQ(value_of(mask_loss(leaf({}, {0, 2, 2, 2}), {}, {})), 0);
  EXPECT_EQ(value_of(sigmoid_cross_entropy_sum(leaf({}, {0}), to_tensor(std::vector<float>{}))), 0);
  softmax_cross_entropy_mean(logits, {}).backward();
  EXPECT_TRUE(logits.grad().defined());
}

TEST(Losses, SizesThatDisagreeAndUnknownKindsAreRefused) {
  EXPECT_THAT(
      [] {
        box_regression_loss(spec_of("smooth_l1"), leaf({0, 0, 0, 0}, {1, 4}), {}, {});
      },
      ThrowsMessage<Error>("box loss: 1 deltas for 0 boxes and 0 ground truths"));
  EXPECT_THAT(
      [] {
        box_loss(spec_of("iou"), {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 1, 1});
      },
      ThrowsMessage<ConfigError>("config: BBOX_REG_LOSS_TYPE must be smooth_l1, giou, diou or ciou, got 'iou'"));
  EXPECT_THAT(
      [] {
        mask_loss(leaf({0, 0, 0, 0}, {1, 1, 2, 2}), {0}, {1, 0});
      },
      ThrowsMessage<Error>("mask loss: 2 target pixels for logits of [1, 1, 2, 2]"));
}

}  // namespace
}  // namespace fastermask
