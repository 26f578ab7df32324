// Training over generated scenes: saving and going on bit for bit, and what the trainer and checkpoints refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fastermask/base/file.h"
#include "fastermask/config/load.h"
#include "fastermask/data/synth.h"
#include "fastermask/data/catalog.h"
#include "fastermask/training/batch_record.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/guard.h"
#include "fastermask/training/hooks.h"
#include "fastermask/training/run.h"
#include "fastermask/training/torch_detector.h"
#include "fastermask/weights/torch_file.h"
#include "support/weights.h"

namespace fastermask {
namespace {

using testing::AllOf;
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
        "MODEL.ROI_HEADS.NUM_CLASSES", "5", "SOLVER.OPTIMIZER", "SGD", "SOLVER.LR_SCHEDULER_NAME", "WarmupMultiStepLR",
        "SOLVER.WEIGHT_DECAY", "0.0001", "MODEL.RESNETS.DEPTH", "50", "MODEL.RESNETS.NORM", "BN", "MODEL.RESNETS.RES2_OUT_CHANNELS", "32",
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

TEST_F(TrainingOverScenes, ADivergedRunStopsNamesWhatWasFirstAndLeavesTheStepToBeRunAgain) {
  const Config config = config_for("diverged", {"SOLVER.BASE_LR", "1e20", "SOLVER.WARMUP_ITERS", "0"});
  EXPECT_THAT([&] { train(config, false); },
              ThrowsMessage<DivergedError>(AllOf(HasSubstr("The first that is not finite: "), HasSubstr("\nimages: " + folder_),
                                                 HasSubstr("'fastermask train --replay " + config.output_dir + "/replay_0000001.pth'"))));
  EXPECT_FALSE(replay_training_step(config.output_dir + "/replay_0000001.pth"));
}

TEST_F(TrainingOverScenes, ANotANumberInTheWeightsIsNamed) {
  const Config config = config_for("poisoned");
  Trainer trainer(config, false);
  NDArray poisoned = to_array(trainer.model().parameters().tensor("backbone.fpn_lateral3.weight"));
  poisoned.data<float>()[5] = std::nanf("");
  trainer.model().parameters().assign("backbone.fpn_lateral3.weight", poisoned);
  EXPECT_THAT([&] { trainer.train(); },
              ThrowsMessage<DivergedError>(HasSubstr("parameter backbone.fpn_lateral3.weight [16, 64, 1, 1]: 1 of 1024 values are "
                                                     "not finite, the first at 5: nan")));
}

TEST_F(TrainingOverScenes, ARecordedStepIsRunAgainExactly) {
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
  EXPECT_EQ(model.compute_losses(again, context).total().item<float>(), model.compute_losses(step.batch, context).total().item<float>());
  make_folders(config.output_dir);
  save_replay(config.output_dir + "/replay.pth", model, step);
  EXPECT_TRUE(replay_training_step(config.output_dir + "/replay.pth"));
  write_file_atomic(config.output_dir + "/other.pth", "no recorded step");
  EXPECT_THROW(replay_training_step(config.output_dir + "/other.pth"), WeightsError);
}

TEST_F(TrainingOverScenes, RollingBackGivesUpAfterFiveTimes) {
  const Config config = config_for("rolled", {"SOLVER.BASE_LR", "1e20", "SOLVER.WARMUP_ITERS", "0", "SOLVER.NON_FINITE", "rollback"});
  EXPECT_THROW(train(config, false), DivergedError);
}

TEST_F(TrainingOverScenes, RollingBackGoesOnAtALowerRate) {
  // Too high at first; some half, quarter, ... of it is not.
  const Config config = config_for("rescued", {"SOLVER.BASE_LR", "1", "SOLVER.WARMUP_ITERS", "0", "SOLVER.CHECKPOINT_PERIOD", "100",
                                               "SOLVER.NON_FINITE", "rollback"});
  for (const auto& [name, array] : train(config, false)) {
    for (const float value : array.to_floats()) ASSERT_TRUE(std::isfinite(value)) << name;
  }
  bool went_wrong = false;
  for (int i = 0; i < 4; ++i) went_wrong |= is_file(fmt::format("{}/replay_{:07}.pth", config.output_dir, i));
  EXPECT_TRUE(went_wrong);
}

TEST_F(TrainingOverScenes, WrongDataSetsAreRefused) {
  EXPECT_THAT([] { Trainer(config_for("x", {"DATASETS.TRAIN", "()"}), false); },
              ThrowsMessage<ConfigError>(HasSubstr("config: DATASETS.TRAIN is empty")));
  EXPECT_THAT([] { Trainer(config_for("x", {"MODEL.ROI_HEADS.NUM_CLASSES", "80"}), false); },
              ThrowsMessage<ConfigError>(HasSubstr("config: MODEL.ROI_HEADS.NUM_CLASSES must be 5")));
}

// What checkpoint functions need of a run.
struct CheckpointRun {
  explicit CheckpointRun(const Config& config) : model(config, 1), optimizer(make_optimizer(model.parameters(), config.solver)) {
    make_folders(config.output_dir);
  }
  TrainingState state() { return {&model, optimizer.get(), nullptr}; }
  TrainableRcnn model;
  std::unique_ptr<Optimizer> optimizer;
};

ResumePoint point_after(std::int64_t iterations) {
  ResumePoint point;
  point.next_iteration = iterations;
  point.seed = 18446744073709551615u;
  point.rate_factor = 0.25;
  return point;
}

// Turns a byte in the middle of a file, where the arrays are.
void damage(const std::string& path) {
  std::string content = read_file(path);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 0x10);
  write_file_atomic(path, content);
}

TEST_F(TrainingOverScenes, CheckpointsThatCannotBeGoneOnFromAreRefused) {
  const Config config = config_for("broken");
  CheckpointRun run(config);
  EXPECT_FALSE(resume_from_checkpoint(config.output_dir, run.state()).has_value());

  write_file_atomic(config.output_dir + "/last_checkpoint", "gone.pth");
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, run.state()); },
              ThrowsMessage<WeightsError>(HasSubstr("last_checkpoint names " + config.output_dir + "/gone.pth, which does not exist")));

  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(run.model.parameters().state()));
  save_torch_file(config.output_dir + "/gone.pth", tree);
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, run.state()); },
              ThrowsMessage<WeightsError>(HasSubstr("is no training checkpoint: it has no 'iteration' and 'optimizer'")));

  save_checkpoint(config.output_dir, "model_0000004", run.state(), point_after(5));
  const std::optional<ResumePoint> point = resume_from_checkpoint(config.output_dir, run.state());
  ASSERT_TRUE(point.has_value());
  EXPECT_EQ(point->next_iteration, 5);
  EXPECT_EQ(point->seed, 18446744073709551615u);
  EXPECT_EQ(point->rate_factor, 0.25);

  CheckpointRun other(config_for("broken", {"MODEL.ROI_HEADS.NUM_CLASSES", "4"}));
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, other.state()); },
              ThrowsMessage<WeightsError>(HasSubstr("does not fit the model, so training cannot go on from it")));

  CheckpointRun adam(config_for("broken", {"SOLVER.OPTIMIZER", "AdamW"}));
  for (const StoredParameter& stored : run.model.parameters().all()) {
    at::Tensor parameter = stored.tensor;
    if (stored.info.trainable) parameter.mutable_grad() = at::ones_like(parameter);
  }
  run.optimizer->step(0.001);
  save_checkpoint(config.output_dir, "model_0000005", run.state(), point_after(6));
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, adam.state()); },
              ThrowsMessage<WeightsError>(HasSubstr("it is another optimizer's (see SOLVER.OPTIMIZER)")));
}

TEST_F(TrainingOverScenes, ADamagedCheckpointIsFoundOutAndTheOneBeforeTaken) {
  const Config config = config_for("damaged");
  CheckpointRun run(config);
  for (const std::int64_t iterations : {2, 4, 6}) {
    save_checkpoint(config.output_dir, fmt::format("model_{:07}", iterations - 1), run.state(), point_after(iterations));
  }
  const std::string newest = config.output_dir + "/model_0000005.pth";
  damage(newest);
  EXPECT_EQ(resume_from_checkpoint(config.output_dir, run.state())->next_iteration, 4);
  std::filesystem::resize_file(newest, 1000);  // cut off
  EXPECT_EQ(resume_from_checkpoint(config.output_dir, run.state())->next_iteration, 4);
  std::filesystem::remove(newest);
  damage(config.output_dir + "/model_0000003.pth");
  EXPECT_EQ(resume_from_checkpoint(config.output_dir, run.state())->next_iteration, 2);
  damage(config.output_dir + "/model_0000001.pth");
  EXPECT_THAT([&] { resume_from_checkpoint(config.output_dir, run.state()); },
              ThrowsMessage<WeightsError>(HasSubstr("has no other checkpoint to go on from; start again without --resume")));
}

TEST_F(TrainingOverScenes, OnlyTheNewestCheckpointsAreKept) {
  const Config config = config_for("kept");
  CheckpointRun run(config);
  for (const std::int64_t iterations : {2, 4, 6}) {
    save_checkpoint(config.output_dir, fmt::format("model_{:07}", iterations - 1), run.state(), point_after(iterations), 2);
  }
  save_checkpoint(config.output_dir, "model_final", run.state(), point_after(7), 2);
  EXPECT_FALSE(is_file(config.output_dir + "/model_0000001.pth"));
  EXPECT_TRUE(is_file(config.output_dir + "/model_0000003.pth"));
  EXPECT_TRUE(is_file(config.output_dir + "/model_0000005.pth"));
  EXPECT_TRUE(is_file(config.output_dir + "/model_final.pth"));
}

TEST_F(TrainingOverScenes, HalfWrittenCheckpointsAreRemovedAtTheStart) {
  const Config config = config_for("leftover");
  make_folders(config.output_dir);
  write_file_atomic(config.output_dir + "/model_0000001.pth.tmp-123-0", "half");
  CheckpointRun run(config);
  check_checkpoint_folder(config.output_dir, run.model);
  EXPECT_FALSE(path_exists(config.output_dir + "/model_0000001.pth.tmp-123-0"));
}

TEST_F(TrainingOverScenes, AFolderThatIsAFileIsRefusedBeforeTraining) {
  const Config config = config_for("occupied");
  write_file_atomic(config.output_dir, "a file");
  EXPECT_THAT([&] { Trainer(config, false); }, ThrowsMessage<Error>(HasSubstr("cannot create the folder")));
}

// All metrics that do not depend on the clock.
std::vector<std::string> losses_in(const std::string& metrics_file) {
  std::vector<std::string> lines;
  std::istringstream stream(read_file(metrics_file));
  for (std::string line; std::getline(stream, line);) {
    nlohmann::json object = nlohmann::json::parse(line);
    for (const char* clock : {"time", "data_time", "eta_seconds", "forward_time", "backward_time", "update_time"}) object.erase(clock);
    lines.push_back(object.dump());
  }
  return lines;
}

TEST_F(TrainingOverScenes, TheRecordGoesOnAsIfNothingHadHappened) {
  const auto run = [](const Config& config, bool resume) {
    Trainer trainer(config, resume);
    trainer.add_hook(make_writer_hook(std::make_shared<EvaluationRecord>()));
    trainer.add_hook(make_checkpoint_hook());
    trainer.train();
  };
  const std::vector<std::string> settings = {"SOLVER.MAX_ITER", "22", "SOLVER.CHECKPOINT_PERIOD", "10"};
  run(config_for("record", settings), false);
  const Config config = config_for("record_resumed", settings);
  make_folders(config.output_dir);
  std::filesystem::copy_file(folder_ + "/record/model_0000009.pth", config.output_dir + "/model_0000009.pth");
  write_file_atomic(config.output_dir + "/last_checkpoint", "model_0000009.pth");
  run(config, true);
  const std::vector<std::string> whole = losses_in(folder_ + "/record/metrics.json");
  ASSERT_EQ(whole.size(), 2u);  // iterations 19 and 21
  EXPECT_EQ(losses_in(config.output_dir + "/metrics.json"), whole);
}

TEST_F(TrainingOverScenes, AveragedWeightsAndAccumulatedGradientsResumeExactlyToo) {
  const std::vector<std::string> settings = {"SOLVER.EMA.ENABLED", "True", "SOLVER.EMA.DECAY", "0.9", "SOLVER.OPTIMIZER", "AdamW",
                                             "SOLVER.BASE_LR", "0.001", "SOLVER.ACCUMULATE", "2"};
  const NamedArrays whole = train(config_for("ema", settings), false);
  const Config config = config_for("ema_resumed", settings);
  make_folders(config.output_dir);
  std::filesystem::copy_file(folder_ + "/ema/model_0000001.pth", config.output_dir + "/model_0000001.pth");
  write_file_atomic(config.output_dir + "/last_checkpoint", "model_0000001.pth");
  EXPECT_TRUE(testing_support::same_arrays(train(config, true), whole));
  const NamedArrays averaged = load_weight_file(folder_ + "/ema/model_final_ema.pth").arrays;
  EXPECT_TRUE(testing_support::same_arrays(load_weight_file(config.output_dir + "/model_final_ema.pth").arrays, averaged));
  EXPECT_FALSE(testing_support::same_arrays(averaged, whole));
}

TEST_F(TrainingOverScenes, TheBestEvaluationIsKeptAndStagnationEndsTheTraining) {
  const std::string scenes = "('" + annotations_ + ":" + folder_ + "/scenes/images/train',)";
  // A learning rate of 0: no evaluation is better than the first, so the third of patience 2 is the last.
  const Config config = config_for("best", {"DATASETS.TEST", scenes, "SOLVER.BASE_LR", "0", "SOLVER.MAX_ITER", "20", "TEST.EVAL_PERIOD",
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
  EXPECT_TRUE(testing_support::same_arrays(load_weight_file(config.output_dir + "/model_best.pth").arrays, trainer.model().parameters().state()));
  EXPECT_THAT(read_file(config.output_dir + "/metrics.json"), HasSubstr("\"validation_loss_mask\": "));
  EXPECT_GT(record->validation_losses.at("validation_loss"), record->validation_losses.at("validation_loss_cls"));
}

TEST_F(TrainingOverScenes, AnUnknownBestMetricIsRefused) {
  const std::string scenes = "('" + annotations_ + ":" + folder_ + "/scenes/images/train',)";
  const Config config = config_for("unknown", {"DATASETS.TEST", scenes, "TEST.EVAL_PERIOD", "1", "TEST.BEST_METRIC", "segm/APP"});
  Trainer trainer(config, false);
  trainer.add_hook(make_evaluation_hook(std::make_shared<EvaluationRecord>()));
  EXPECT_THAT([&] { trainer.train(); }, ThrowsMessage<ConfigError>(HasSubstr("config: TEST.BEST_METRIC: the evaluation has no 'segm/APP'")));
}

TEST_F(TrainingOverScenes, FrozenParametersKeepTheirValues) {
  const NamedArrays before = TrainableRcnn(config_for("frozen"), 7).parameters().state();
  const NamedArrays after = train(config_for("frozen", {"SOLVER.FREEZE", "('backbone.bottom_up.*',)"}), false);
  EXPECT_EQ(after.at("backbone.bottom_up.res3.0.conv2.weight").bytes, before.at("backbone.bottom_up.res3.0.conv2.weight").bytes);
  EXPECT_NE(after.at("backbone.fpn_output3.weight").bytes, before.at("backbone.fpn_output3.weight").bytes);
  EXPECT_THAT([] { Trainer(config_for("frozen", {"SOLVER.FREEZE", "('nothing.*',)"}), false); },
              ThrowsMessage<ConfigError>("config: SOLVER.FREEZE: no parameter is called 'nothing.*'"));
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
