// Training over generated scenes: saving and going on bit for bit, and what the trainer and checkpoints refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fastermask/base/file.h"
#include "fastermask/training/checkpoint.h"
#include "fastermask/training/hooks.h"
#include "fastermask/weights/torch_file.h"
#include "support/weights.h"
#include "unit/training/scenes_fixture.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

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
    EXPECT_EQ(momenta[i].value.at("momentum_buffer").as_array().bytes,
              other.value.at("momentum_buffer").as_array().bytes)
        << i;
  }
}

TEST_F(TrainingOverScenes, EqualSeedsGiveEqualRunsAndOthersDoNot) {
  const NamedArrays first = train(config_for("first", {"SOLVER.MAX_ITER", "2"}), false);
  EXPECT_TRUE(testing_support::same_arrays(
      train(config_for("again", {"SOLVER.MAX_ITER", "2", "DATALOADER.NUM_WORKERS", "2"}), false), first));
  EXPECT_FALSE(
      testing_support::same_arrays(train(config_for("other", {"SOLVER.MAX_ITER", "2", "SEED", "8"}), false), first));
}

TEST_F(TrainingOverScenes, AFinishedRunHasNothingLeftToDo) {
  const Config config = config_for("finished", {"SOLVER.MAX_ITER", "1"});
  const NamedArrays end = train(config, false);
  EXPECT_TRUE(testing_support::same_arrays(train(config, true), end));
}

TEST_F(TrainingOverScenes, WrongDataSetsAreRefused) {
  EXPECT_THAT(
      [] {
        Trainer(config_for("x", {"DATASETS.TRAIN", "()"}), false);
      },
      ThrowsMessage<ConfigError>(HasSubstr("config: DATASETS.TRAIN is empty")));
  EXPECT_THAT(
      [] {
        Trainer(config_for("x", {"MODEL.ROI_HEADS.NUM_CLASSES", "80"}), false);
      },
      ThrowsMessage<ConfigError>(HasSubstr("config: MODEL.ROI_HEADS.NUM_CLASSES must be 5")));
}

// What checkpoint functions need of a run.
struct CheckpointRun {
  explicit CheckpointRun(const Config& config)
      : model(config, 1), optimizer(make_optimizer(model.parameters(), config.solver)) {
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
              ThrowsMessage<WeightsError>(
                  HasSubstr("last_checkpoint names " + config.output_dir + "/gone.pth, which does not exist")));

  PickleValue tree = PickleValue::dict();
  tree.set("model", PickleValue::state_dict(run.model.parameters().state()));
  save_torch_file(config.output_dir + "/gone.pth", tree);
  EXPECT_THAT(
      [&] { resume_from_checkpoint(config.output_dir, run.state()); },
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
    save_checkpoint(config.output_dir, fmt::format("model_{:07}", iterations - 1), run.state(),
                    point_after(iterations));
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
  EXPECT_THAT(
      [&] { resume_from_checkpoint(config.output_dir, run.state()); },
      ThrowsMessage<WeightsError>(HasSubstr("has no other checkpoint to go on from; start again without --resume")));
}

TEST_F(TrainingOverScenes, OnlyTheNewestCheckpointsAreKept) {
  const Config config = config_for("kept");
  CheckpointRun run(config);
  for (const std::int64_t iterations : {2, 4, 6}) {
    save_checkpoint(config.output_dir, fmt::format("model_{:07}", iterations - 1), run.state(), point_after(iterations),
                    2);
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
    for (const char* clock : {"time", "data_time", "eta_seconds", "forward_time", "backward_time", "update_time"})
      object.erase(clock);
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
  const std::vector<std::string> settings = {"SOLVER.EMA.ENABLED", "True",  "SOLVER.EMA.DECAY", "0.9",
                                             "SOLVER.OPTIMIZER",   "AdamW", "SOLVER.BASE_LR",   "0.001",
                                             "SOLVER.ACCUMULATE",  "2"};
  const NamedArrays whole = train(config_for("ema", settings), false);
  const Config config = config_for("ema_resumed", settings);
  make_folders(config.output_dir);
  std::filesystem::copy_file(folder_ + "/ema/model_0000001.pth", config.output_dir + "/model_0000001.pth");
  write_file_atomic(config.output_dir + "/last_checkpoint", "model_0000001.pth");
  EXPECT_TRUE(testing_support::same_arrays(train(config, true), whole));
  const NamedArrays averaged = load_weight_file(folder_ + "/ema/model_final_ema.pth").arrays;
  EXPECT_TRUE(
      testing_support::same_arrays(load_weight_file(config.output_dir + "/model_final_ema.pth").arrays, averaged));
  EXPECT_FALSE(testing_support::same_arrays(averaged, whole));
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
}

}  // namespace
}  // namespace fastermask
