// Training over generated scenes: saving and going on bit for bit, and what the trainer and checkpoints refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "fastermask/base/file.h"
#include "fastermask/config/load.h"
#include "fastermask/data/synth.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/hooks.h"
#include "fastermask/training/torch_detector.h"
#include "fastermask/weights/torch_file.h"
#include "support/weights.h"

namespace fastermask {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A folder with a few scenes, and configs of a tiny Mask R-CNN (ResNet-50's blocks, a few channels wide) for them.
class TrainingOverScenes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = (std::filesystem::temp_directory_path() / ("fastermask-resume-" + std::to_string(getpid()))).string();
    SynthOptions options;
    options.scene.size = {64, 64};
    options.train_images = 6;
    options.val_images = 1;
    options.image_ending = ".png";
    annotations_ = write_synthetic_dataset(folder_ + "/scenes", options)[0];
  }

  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static Config config_for(const std::string& output, const std::vector<std::string>& more = {}) {
    std::vector<std::string> overrides = {
        "OUTPUT_DIR", folder_ + "/" + output, "SEED", "7", "DATASETS.TEST", "()",
        "DATASETS.TRAIN", "('" + annotations_ + ":" + folder_ + "/scenes/images/train',)",
        "MODEL.RESNETS.DEPTH", "50", "MODEL.RESNETS.NORM", "BN", "MODEL.RESNETS.RES2_OUT_CHANNELS", "32",
        "MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.BACKBONE.FREEZE_AT", "0",
        "MODEL.FPN.NORM", "", "MODEL.FPN.OUT_CHANNELS", "16", "MODEL.ROI_BOX_HEAD.FC_DIM", "32", "MODEL.ROI_BOX_HEAD.NORM", "",
        "MODEL.ROI_MASK_HEAD.NUM_CONV", "1", "MODEL.ROI_MASK_HEAD.CONV_DIM", "16", "MODEL.ROI_MASK_HEAD.NORM", "",
        "INPUT.MIN_SIZE_TRAIN", "(64, 80)", "INPUT.MAX_SIZE_TRAIN", "96", "SOLVER.IMS_PER_BATCH", "2", "SOLVER.MAX_ITER", "4",
        "SOLVER.STEPS", "(3,)", "SOLVER.WARMUP_ITERS", "2", "SOLVER.BASE_LR", "0.01", "SOLVER.CHECKPOINT_PERIOD", "2",
        "MODEL.WEIGHTS", ""};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return load_config("tiny/synth_mask_rcnn_R_18_FPN.yaml", overrides);
  }

  // Trains to the end with checkpoints, and returns the model's values.
  static NamedArrays train(const Config& config, bool resume) {
    Trainer trainer(config, resume);
    trainer.add_hook(make_checkpoint_hook());
    trainer.train();
    return trainer.model().parameters().state();
  }

  inline static std::string folder_;
  inline static std::string annotations_;
};

TEST_F(TrainingOverScenes, GoingOnFromACheckpointEqualsAnUninterruptedRunBitForBit) {
  const NamedArrays whole = train(config_for("whole"), false);
  make_folders(folder_ + "/resumed");
  std::filesystem::copy_file(folder_ + "/whole/model_0000001.pth", folder_ + "/resumed/model_0000001.pth");
  write_file_atomic(folder_ + "/resumed/last_checkpoint", "model_0000001.pth");
  const Config config = config_for("resumed");
  EXPECT_EQ(Trainer(config, true).first_iteration(), 2);
  EXPECT_TRUE(testing_support::same_arrays(train(config, true), whole));
  EXPECT_EQ(read_file(folder_ + "/resumed/last_checkpoint"), "model_final.pth");
  // The momentum at the end, too: everything a checkpoint holds.
  const PickleValue a = load_torch_file(folder_ + "/whole/model_final.pth");
  const PickleValue b = load_torch_file(folder_ + "/resumed/model_final.pth");
  const auto& momenta = a.at("optimizer").at("state").entries();
  ASSERT_GT(momenta.size(), 50u);
  ASSERT_EQ(b.at("optimizer").at("state").entries().size(), momenta.size());
  for (std::size_t i = 0; i < momenta.size(); ++i) {
    const PickleEntry& other = b.at("optimizer").at("state").entries()[i];
    EXPECT_EQ(momenta[i].value.at("momentum_buffer").as_array().bytes, other.value.at("momentum_buffer").as_array().bytes) << i;
  }
}

TEST_F(TrainingOverScenes, EqualSeedsGiveEqualRunsAndOthersDoNot) {
  const NamedArrays first = train(config_for("first", {"SOLVER.MAX_ITER", "2"}), false);
  EXPECT_TRUE(testing_support::same_arrays(train(config_for("again", {"SOLVER.MAX_ITER", "2", "DATALOADER.NUM_WORKERS", "2"}), false), first));
  EXPECT_FALSE(testing_support::same_arrays(train(config_for("other", {"SOLVER.MAX_ITER", "2", "SEED", "8"}), false), first));
}

TEST_F(TrainingOverScenes, AFinishedRunHasNothingLeftToDo) {
  const Config config = config_for("finished", {"SOLVER.MAX_ITER", "1"});
  const NamedArrays end = train(config, false);
  EXPECT_TRUE(testing_support::same_arrays(train(config, true), end));
}

TEST_F(TrainingOverScenes, ADivergedRunStopsAndSaysSo) {
  EXPECT_THAT([] { train(config_for("diverged", {"SOLVER.BASE_LR", "1e20", "SOLVER.WARMUP_ITERS", "0"}), false); },
              ThrowsMessage<Error>(AnyOf(HasSubstr("Loss became infinite or NaN at iteration="), HasSubstr("diverged"))));
}

TEST_F(TrainingOverScenes, WrongDataSetsAreRefused) {
  EXPECT_THAT([] { Trainer(config_for("x", {"DATASETS.TRAIN", "()"}), false); },
              ThrowsMessage<ConfigError>(HasSubstr("config: DATASETS.TRAIN is empty")));
  EXPECT_THAT([] { Trainer(config_for("x", {"MODEL.ROI_HEADS.NUM_CLASSES", "80"}), false); },
              ThrowsMessage<ConfigError>(HasSubstr("config: MODEL.ROI_HEADS.NUM_CLASSES must be 5")));
}

TEST_F(TrainingOverScenes, CheckpointsThatCannotBeGoneOnFromAreRefused) {
  const Config config = config_for("broken");
  TrainableRcnn model(config, 1);
  Sgd optimizer(model.parameters(), config.solver);
  make_folders(config.output_dir);
  EXPECT_FALSE(resume_from_checkpoint(config.output_dir, model, optimizer).has_value());

  write_file_atomic(config.output_dir + "/last_checkpoint", "gone.pth");
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, model, optimizer); },
              ThrowsMessage<WeightsError>(HasSubstr("last_checkpoint names " + config.output_dir + "/gone.pth, which does not exist")));

  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(model.parameters().state()));
  save_torch_file(config.output_dir + "/gone.pth", tree);
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, model, optimizer); },
              ThrowsMessage<WeightsError>(HasSubstr("is no training checkpoint: it has no 'iteration' and 'optimizer'")));

  save_checkpoint(config.output_dir, "model_0000004", 4, 18446744073709551615u, model, optimizer);
  const std::optional<ResumePoint> point = resume_from_checkpoint(config.output_dir, model, optimizer);
  ASSERT_TRUE(point.has_value());
  EXPECT_EQ(point->next_iteration, 5);
  EXPECT_EQ(point->seed, 18446744073709551615u);

  TrainableRcnn other(config_for("broken", {"MODEL.ROI_HEADS.NUM_CLASSES", "4"}), 1);
  Sgd other_optimizer(other.parameters(), config.solver);
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, other, other_optimizer); },
              ThrowsMessage<WeightsError>(HasSubstr("does not fit the model, so training cannot go on from it")));
}

TEST_F(TrainingOverScenes, WeightsThatFitNothingAreRefused) {
  const Config config = config_for("weights");
  TrainableRcnn model(config, 1);
  const NamedArrays before = model.parameters().state();
  load_model_weights("", model, {});
  EXPECT_TRUE(testing_support::same_arrays(model.parameters().state(), before));
  PickleValue tree = PickleValue::dict();
  NamedArrays arrays;
  arrays["something"] = NDArray(DType::float32, {3});
  tree.set("model", PickleValue::state_dict(arrays));
  make_folders(config.output_dir);
  save_torch_file(config.output_dir + "/other.pth", tree);
  EXPECT_THAT([&] { load_model_weights(config.output_dir + "/other.pth", model, {}); },
              ThrowsMessage<WeightsError>(HasSubstr("no array of the file fits the model")));
  EXPECT_THAT([&] { make_torch_detector(config); },
              ThrowsMessage<WeightsError>("weights: none given; name a weight file with --weights or MODEL.WEIGHTS"));
}

}  // namespace
}  // namespace fastermask
