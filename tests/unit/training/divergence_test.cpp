// Values that are not finite: what a training says, what it leaves behind, and how it goes on; and mixed precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/data/catalog.h"
#include "fastermask/training/batch_record.h"
#include "fastermask/training/guard.h"
#include "fastermask/training/run.h"
#include "support/weights.h"
#include "unit/training/scenes_fixture.h"

namespace fastermask {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class DivergingTraining : public TrainingOverScenes {};

TEST_F(DivergingTraining, ADivergedRunStopsNamesWhatWasFirstAndLeavesTheStepToBeRunAgain) {
  const Config config = config_for("diverged", {"SOLVER.BASE_LR", "1e20", "SOLVER.WARMUP_ITERS", "0"});
  EXPECT_THAT([&] { train(config, false); },
              ThrowsMessage<DivergedError>(
                  AllOf(HasSubstr("The first that is not finite: "), HasSubstr("\nimages: " + folder_),
                        HasSubstr("'fastermask train --replay " + config.output_dir + "/replay_0000001.pth'"))));
  EXPECT_FALSE(replay_training_step(config.output_dir + "/replay_0000001.pth"));
}

TEST_F(DivergingTraining, ANotANumberInTheWeightsIsNamed) {
  const Config config = config_for("poisoned");
  Trainer trainer(config, false);
  NDArray poisoned = to_array(trainer.model().parameters().tensor("backbone.fpn_lateral3.weight"));
  poisoned.data<float>()[5] = std::nanf("");
  trainer.model().parameters().assign("backbone.fpn_lateral3.weight", poisoned);
  EXPECT_THAT([&] { trainer.train(); },
              ThrowsMessage<DivergedError>(
                  HasSubstr("parameter backbone.fpn_lateral3.weight [16, 64, 1, 1]: 1 of 1024 values are "
                            "not finite, the first at 5: nan")));
}

TEST_F(DivergingTraining, ARecordedStepIsRunAgainExactly) {
  const Config config = config_for("replayed");
  TrainableRcnn model(config, 7);
  const LoaderOptions options = make_training_loader_options(config, model.network().size_divisibility, 7);
  TrainingLoader loader(std::make_shared<const Dataset>(load_dataset(config.datasets.train.at(0))), options);
  RecordedStep step;
  step.batch = loader.next();
  step.seed = 7;
  const Batch again = batch_of_record(record_batch(step.batch));
  StepContext context;
  context.seed = step.seed;
  EXPECT_EQ(model.compute_losses(again, context).total().item<float>(),
            model.compute_losses(step.batch, context).total().item<float>());
  make_folders(config.output_dir);
  save_replay(config.output_dir + "/replay.pth", model, step);
  EXPECT_TRUE(replay_training_step(config.output_dir + "/replay.pth"));
  write_file_atomic(config.output_dir + "/other.pth", "no recorded step");
  EXPECT_THROW(replay_training_step(config.output_dir + "/other.pth"), WeightsError);
}

TEST_F(DivergingTraining, RollingBackGivesUpAfterFiveTimes) {
  const Config config =
      config_for("rolled", {"SOLVER.BASE_LR", "1e20", "SOLVER.WARMUP_ITERS", "0", "SOLVER.NON_FINITE", "rollback"});
  EXPECT_THROW(train(config, false), DivergedError);
}

// Spoils a weight once, after the given iteration.
class PoisonOnce : public TrainerHook {
 public:
  explicit PoisonOnce(std::int64_t iteration) : iteration_(iteration) {}
  void after_step(Trainer& trainer, const StepRecord& record) override {
    rates.push_back(record.learning_rate);
    if (record.iteration != iteration_) return;
    iteration_ = -1;
    NDArray poisoned = to_array(trainer.model().parameters().tensor("backbone.fpn_lateral3.weight"));
    poisoned.data<float>()[5] = std::nanf("");
    trainer.model().parameters().assign("backbone.fpn_lateral3.weight", poisoned);
  }
  std::vector<double> rates;

 private:
  std::int64_t iteration_;
};

TEST_F(DivergingTraining, RollingBackGoesOnFromTheLastCheckpointAtHalfTheRate) {
  const Config config =
      config_for("rescued", {"SOLVER.NON_FINITE", "rollback", "SOLVER.WARMUP_ITERS", "0", "SOLVER.STEPS", "()"});
  Trainer trainer(config, false);
  trainer.add_hook(make_checkpoint_hook());  // after iterations 1 and 3
  auto hook = std::make_unique<PoisonOnce>(2);
  const PoisonOnce& seen = *hook;
  trainer.add_hook(std::move(hook));
  trainer.train();
  EXPECT_TRUE(is_file(config.output_dir + "/replay_0000003.pth"));
  const double rate = config.solver.base_lr;  // iterations 0, 1, 2, and after iteration 3 went wrong 2 and 3
  EXPECT_THAT(seen.rates, testing::ElementsAre(rate, rate, rate, rate / 2, rate / 2));
  for (const auto& [name, array] : trainer.model().parameters().state()) {
    for (const float value : array.to_floats()) ASSERT_TRUE(std::isfinite(value)) << name;
  }
}

class MixedPrecision : public TrainingOverScenes {};

// The RPN's losses of the first step: those of the regions depend on which proposals just win, and so jump.
double first_rpn_loss(const Config& config) {
  TrainableRcnn model(config, 7);
  model.set_precision(precision_plan(config).precision);
  const LoaderOptions options = make_training_loader_options(config, model.network().size_divisibility, 7);
  TrainingLoader loader(std::make_shared<const Dataset>(load_dataset(config.datasets.train.at(0))), options);
  StepContext context;
  context.seed = 7;
  double sum = 0;
  for (const NamedLoss& loss : model.compute_losses(loader.next(), context).losses) {
    if (loss.name.find("rpn") != std::string::npos) sum += loss.value.item<double>();
  }
  return sum;
}

TEST_F(MixedPrecision, LossesAreThoseOfFloat32WithinRounding) {
  const double exact = first_rpn_loss(config_for("f32"));
  const double o1 = first_rpn_loss(config_for("o1", {"AMP", "1", "OPT_LEVEL", "O1"}));
  const double o2 = first_rpn_loss(config_for("o2", {"AMP", "1", "OPT_LEVEL", "O2"}));
  EXPECT_NE(o1, exact);
  EXPECT_NE(o2, o1);
  EXPECT_NEAR(o1, exact, 0.01 * exact);
  EXPECT_NEAR(o2, exact, 0.01 * exact);
}

TEST_F(MixedPrecision, TrainsAndResumesExactly) {
  const std::vector<std::string> settings = {"AMP", "1", "OPT_LEVEL", "O2", "LOSS_SCALE_VALUE", "dynamic"};
  const NamedArrays whole = train(config_for("mixed", settings), false);
  const Config config = config_for("mixed_resumed", settings);
  make_folders(config.output_dir);
  std::filesystem::copy_file(folder_ + "/mixed/model_0000001.pth", config.output_dir + "/model_0000001.pth");
  write_file_atomic(config.output_dir + "/last_checkpoint", "model_0000001.pth");
  EXPECT_TRUE(testing_support::same_arrays(train(config, true), whole));
}

TEST_F(MixedPrecision, StepsThatOverflowAreSkipped) {
  // Gradients of the fixed scale 1e30 times a loss scale within float32 are not finite: no step changes a trained
  // weight.
  const NamedArrays before = TrainableRcnn(config_for("overflow"), 7).parameters().state();
  const NamedArrays after = train(config_for("overflow", {"AMP", "1", "OPT_LEVEL", "O1", "LOSS_SCALE_VALUE", "1e30",
                                                          "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT", "1e15"}),
                                  false);
  for (const char* name : {"backbone.fpn_output2.weight", "roi_heads.box_predictor.bbox_pred.weight"}) {
    EXPECT_EQ(after.at(name).bytes, before.at(name).bytes) << name;
  }
}

}  // namespace
}  // namespace fastermask
