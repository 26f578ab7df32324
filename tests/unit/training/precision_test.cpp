// Mixed precision: what the config asks for, how the loss scale moves, and that rounding reaches values and gradients.
#include "fastermask/training/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "fastermask/base/error.h"

namespace fastermask {
namespace {

using testing::ThrowsMessage;

Config amp_config(const std::string& level, const std::string& scale) {
  Config config;
  config.amp = 1;
  config.opt_level = level;
  config.loss_scale_value = scale;
  return config;
}

TEST(PrecisionPlan, FollowsTheConfig) {
  EXPECT_EQ(precision_plan(Config()).precision, Precision::f32);
  EXPECT_EQ(precision_plan(amp_config("O0", "64")).precision, Precision::f32);
  const PrecisionPlan o1 = precision_plan(amp_config("O1", "64"));
  EXPECT_EQ(o1.precision, Precision::autocast);
  EXPECT_EQ(o1.loss_scale, 64);
  EXPECT_FALSE(o1.dynamic_scale);
  const PrecisionPlan o2 = precision_plan(amp_config("O2", "dynamic"));
  EXPECT_EQ(o2.precision, Precision::half);
  EXPECT_EQ(o2.loss_scale, 65536);
  EXPECT_TRUE(o2.dynamic_scale);
  Config detectron2;
  detectron2.solver.amp.enabled = true;
  EXPECT_EQ(precision_plan(detectron2).precision, Precision::autocast);
  EXPECT_TRUE(precision_plan(detectron2).dynamic_scale);
}

TEST(PrecisionPlan, RefusesScalesThatAreNone) {
  for (const char* scale : {"", "0", "-1", "many", "64x", "inf", "nan"}) {
    EXPECT_THROW(precision_plan(amp_config("O1", scale)), ConfigError) << scale;
  }
}

TEST(PrecisionPlan, EnvironmentVariablesTurnItOff) {
  ::setenv("ALLOW_HF32", "True", 1);
  EXPECT_EQ(precision_plan(amp_config("O2", "64")).precision, Precision::f32);
  ::setenv("ALLOW_FP32", "True", 1);
  EXPECT_THAT([] { precision_plan(Config()); },
              ThrowsMessage<ConfigError>("ALLOW_FP32 and ALLOW_HF32 cannot be set at the same time!"));
  ::unsetenv("ALLOW_HF32");
  EXPECT_EQ(precision_plan(amp_config("O2", "64")).precision, Precision::f32);
  ::unsetenv("ALLOW_FP32");
  EXPECT_EQ(precision_plan(amp_config("O2", "64")).precision, Precision::half);
}

TEST(LossScaler, HalvesOnOverflowAndDoublesAfterGoodSteps) {
  LossScaler scaler(precision_plan(amp_config("O2", "dynamic")));
  EXPECT_EQ(scaler.update(true), 1);
  EXPECT_EQ(scaler.update(true), 2);
  EXPECT_EQ(scaler.scale(), 16384);
  for (int i = 0; i < 1999; ++i) EXPECT_EQ(scaler.update(false), 0);
  LossScaler resumed(precision_plan(amp_config("O2", "dynamic")));
  resumed.load_state(scaler.state());
  EXPECT_EQ(resumed.scale(), 16384);
  resumed.update(false);
  EXPECT_EQ(resumed.scale(), 32768);
  LossScaler fixed(precision_plan(amp_config("O2", "64")));
  fixed.update(true);
  EXPECT_EQ(fixed.scale(), 64);
}

TEST(RoundToBf16, RoundsValuesAndGradientsInAnyLayout) {
  at::Tensor value =
      at::tensor({1.0f, 1.0f + 3.0f / 256, -3.14159274f, 0.0f, 5.0f, 6.0f, 7.0f, 8.0f}).view({1, 2, 2, 2});
  value = value.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
  const at::Tensor rounded = round_to_bf16(value);
  EXPECT_EQ(rounded.strides(), value.strides());
  EXPECT_EQ(rounded.index({0, 0, 0, 1}).item<float>(), 1.0f + 2.0f / 128);
  EXPECT_EQ(rounded.index({0, 0, 1, 0}).item<float>(), -3.140625f);
  (rounded * (1.0f + 3.0f / 256)).sum().backward();
  EXPECT_EQ(value.grad().index({0, 1, 1, 1}).item<float>(), 1.0f + 2.0f / 128);
}

}  // namespace
}  // namespace fastermask
