// Evaluations in the course of a training, and parameters that are left alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/data/catalog.h"
#include "fastermask/training/frozen_init.h"
#include "fastermask/weights/weight_file.h"
#include "support/weights.h"
#include "unit/training/scenes_fixture.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class EvaluatedTraining : public TrainingOverScenes {};

TEST_F(EvaluatedTraining, TheBestEvaluationIsKeptAndStagnationEndsTheTraining) {
  const std::string scenes = "('" + annotations_ + ":" + folder_ + "/scenes/images/train',)";
  // A learning rate of 0: no evaluation is better than the first, so the third of patience 2 is the last.
  const Config config =
      config_for("best", {"DATASETS.TEST", scenes, "SOLVER.BASE_LR", "0", "SOLVER.MAX_ITER", "20", "TEST.EVAL_PERIOD",
                          "1", "TEST.EARLY_STOP", "2", "TEST.BEST_METRIC", "-validation_loss", "TEST.VALIDATION_LOSS",
                          "True", "MODEL.RESNETS.NORM", "FrozenBN", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0"});
  Trainer trainer(config, false);
  const auto record = std::make_shared<EvaluationRecord>();
  trainer.add_hook(make_writer_hook(record));
  trainer.add_hook(make_checkpoint_hook());
  trainer.add_hook(make_evaluation_hook(record));
  trainer.train();
  EXPECT_EQ(trainer.next_iteration(), 3);
  EXPECT_TRUE(is_file(config.output_dir + "/model_final.pth"));
  EXPECT_TRUE(testing_support::same_arrays(load_weight_file(config.output_dir + "/model_best.pth").arrays,
                                           trainer.model().parameters().state()));
  EXPECT_THAT(read_file(config.output_dir + "/metrics.json"), HasSubstr("\"validation_loss_mask\": "));
  EXPECT_GT(record->validation_losses.at("validation_loss"), record->validation_losses.at("validation_loss_cls"));
}

TEST_F(EvaluatedTraining, AnUnknownBestMetricIsRefused) {
  const std::string scenes = "('" + annotations_ + ":" + folder_ + "/scenes/images/train',)";
  const Config config =
      config_for("unknown", {"DATASETS.TEST", scenes, "TEST.EVAL_PERIOD", "1", "TEST.BEST_METRIC", "segm/APP"});
  Trainer trainer(config, false);
  trainer.add_hook(make_evaluation_hook(std::make_shared<EvaluationRecord>()));
  EXPECT_THAT([&] { trainer.train(); },
              ThrowsMessage<ConfigError>(HasSubstr("config: TEST.BEST_METRIC: the evaluation has no 'segm/APP'")));
}

TEST_F(EvaluatedTraining, FrozenParametersKeepTheirValues) {
  const NamedArrays before = TrainableRcnn(config_for("frozen"), 7).parameters().state();
  const NamedArrays after = train(config_for("frozen", {"SOLVER.FREEZE", "('backbone.bottom_up.*',)"}), false);
  EXPECT_EQ(after.at("backbone.bottom_up.res3.0.conv2.weight").bytes,
            before.at("backbone.bottom_up.res3.0.conv2.weight").bytes);
  EXPECT_NE(after.at("backbone.fpn_output3.weight").bytes, before.at("backbone.fpn_output3.weight").bytes);
  EXPECT_THAT(
      [] {
        Trainer(config_for("frozen", {"SOLVER.FREEZE", "('nothing.*',)"}), false);
      },
      ThrowsMessage<ConfigError>("config: SOLVER.FREEZE: no parameter is called 'nothing.*'"));
}

// The largest absolute value of the coarsest feature level for the first pictures.
float largest_feature(const Config& config, bool balanced) {
  TrainableRcnn model(config, 7);
  if (balanced) balance_frozen_norms(model);
  TrainingLoader loader(std::make_shared<const Dataset>(load_dataset(config.datasets.train.at(0))),
                        make_training_loader_options(config, model.network().size_divisibility, 7));
  NamedArrays features;
  StepContext context;
  context.dump = &features;
  model.compute_losses(loader.next(), context);
  float largest = 0;
  for (const float value : features.at("p4").to_floats()) largest = std::max(largest, std::abs(value));
  return largest;
}

TEST_F(EvaluatedTraining, FrozenNormsWithoutWeightsAreBalanced) {
  const Config config =
      config_for("balanced", {"MODEL.RESNETS.NORM", "FrozenBN", "MODEL.PIXEL_STD", "[1.0, 1.0, 1.0]"});
  EXPECT_GT(largest_feature(config, false), 1000);
  EXPECT_LT(largest_feature(config, true), 50);
}

}  // namespace
}  // namespace fastermask
