// Mixed precision: what the config asks for, how the loss scale moves, and that rounding reaches values and gradients.
#include "fastermask/training/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/kernels/half_kernels.h"
#include "unit/training/scenes_fixture.h"

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

// Ten steps of a tiny Mask R-CNN that has been trained a little; the sum of the losses of each.
class Bf16Training : public TrainingOverScenes {
 protected:
  static std::vector<double> losses(const std::string& name, int steps, const std::string& weights,
                                    const std::vector<std::string>& precision) {
    // Every anchor becomes a proposal and takes part: which ones do must not depend on the last digits of scores, for
    // a proposal more or less moves a step's losses by 5 %.
    std::vector<std::string> words = {"SOLVER.MAX_ITER",
                                      std::to_string(steps),
                                      "MODEL.WEIGHTS",
                                      weights,
                                      "SOLVER.STEPS",
                                      "()",
                                      "SOLVER.BASE_LR",
                                      "0.005",
                                      "MODEL.RESNETS.NORM",
                                      "GN",
                                      "MODEL.RESNETS.STEM_OUT_CHANNELS",
                                      "32",
                                      "MODEL.RESNETS.WIDTH_PER_GROUP",
                                      "32",
                                      "MODEL.RPN.PRE_NMS_TOPK_TRAIN",
                                      "20000",
                                      "MODEL.RPN.POST_NMS_TOPK_TRAIN",
                                      "20000",
                                      "MODEL.RPN.NMS_THRESH",
                                      "1.0",
                                      "MODEL.RPN.BATCH_SIZE_PER_IMAGE",
                                      "20000",
                                      "MODEL.RPN.POSITIVE_FRACTION",
                                      "1.0",
                                      "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE",
                                      "20000",
                                      "MODEL.ROI_HEADS.POSITIVE_FRACTION",
                                      "1.0"};
    words.insert(words.end(), precision.begin(), precision.end());
    const Config config = config_for(name, words);
    Trainer trainer(config, false);
    std::vector<double> sums;
    trainer.add_hook(std::make_unique<LossRecorder>(sums));
    trainer.add_hook(make_checkpoint_hook());
    trainer.train();
    return sums;
  }

  static void expect_near_f32(const std::string& name, const std::vector<std::string>& precision) {
    const std::string weights = folder_ + "/before/model_final.pth";
    if (!is_file(weights)) losses("before", 80, "", {});  // of random weights, the last digits decide too much
    const std::vector<double> expected = losses("f32", 10, weights, {});
    const std::vector<double> got = losses(name, 10, weights, precision);
    ASSERT_EQ(got.size(), 10u);
    ASSERT_EQ(expected.size(), 10u);
    bool differs = false;
    double expected_sum = 0, got_sum = 0;
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_NEAR(got[i], expected[i], 0.05 * expected[i]) << "step " << i;
      expected_sum += expected[i];
      got_sum += got[i];
      differs = differs || got[i] != expected[i];
    }
    EXPECT_NEAR(got_sum, expected_sum, 0.02 * expected_sum) << "the mean of ten steps";
    EXPECT_TRUE(differs) << "nothing was rounded";
  }

 private:
  class LossRecorder : public TrainerHook {
   public:
    explicit LossRecorder(std::vector<double>& sums) : sums_(sums) {}
    void after_step(Trainer&, const StepRecord& step) override { sums_.push_back(step.total_loss); }

   private:
    std::vector<double>& sums_;
  };
};

// Sets an environment variable, or takes it away (null), as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) { value == nullptr ? unsetenv(name_) : setenv(name_, value, 1); }

  const char* name_;
  std::optional<std::string> before_;
};

TEST_F(Bf16Training, StaysNearFloat32) {
  const Variable rounded("FASTERMASK_BF16_UNITS", "0");
  expect_near_f32("o1", {"AMP", "1", "OPT_LEVEL", "O1", "LOSS_SCALE_VALUE", "64"});
  expect_near_f32("o2", {"AMP", "1", "OPT_LEVEL", "O2", "LOSS_SCALE_VALUE", "64"});
}

TEST(PrecisionOn, IsFloat32WhereLessGainsNothing) {
  const Variable none("FASTERMASK_BF16_UNITS", nullptr);
  EXPECT_EQ(precision_on("cpu", Precision::f32), Precision::f32);
  EXPECT_EQ(precision_on("cpu", Precision::half),
            half_arithmetic() != HalfArithmetic::float32 ? Precision::half_products : Precision::f32);
  EXPECT_EQ(precision_on("cpu", Precision::half, false), Precision::f32);
  EXPECT_EQ(precision_on("cuda:1", Precision::autocast), Precision::autocast);
  const Variable rounded("FASTERMASK_BF16_UNITS", "0");
  EXPECT_EQ(precision_on("cpu", Precision::autocast), Precision::autocast);
}

// On units for 16 bits, or by rounding where there are none: the variable asks for that.
TEST_F(Bf16Training, StaysNearFloat32OnUnits) {
  const Variable units("FASTERMASK_BF16_UNITS", "1");
  expect_near_f32("o1u", {"AMP", "1", "OPT_LEVEL", "O1", "LOSS_SCALE_VALUE", "64"});
  expect_near_f32("o2u", {"AMP", "1", "OPT_LEVEL", "O2", "LOSS_SCALE_VALUE", "64"});
}

// As this machine chooses.
TEST_F(Bf16Training, StaysNearFloat32AsThisMachineComputes) {
  if (precision_on("cpu", Precision::half) == Precision::f32) GTEST_SKIP() << "16 bits do not pay here";
  expect_near_f32("o1m", {"AMP", "1", "OPT_LEVEL", "O1", "LOSS_SCALE_VALUE", "64"});
}

}  // namespace
}  // namespace fastermask
