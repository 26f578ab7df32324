// Several processes against one: losses of every step, gradients, synchronised norms, and what is gathered.
#include <gmock/gmock.h>

#include <cmath>

#include "fastermask/base/random.h"
#include "fastermask/config/load.h"
#include "fastermask/training/data_parallel.h"
#include "fastermask/training/dump_step.h"
#include "fastermask/training/process_group.h"
#include "fastermask/training/sync_norm.h"
#include "fastermask/weights/npz.h"
#include "unit/training/rank_processes.h"
#include "unit/training/scenes_fixture.h"

namespace fastermask {
namespace {

class SeveralRanks : public TrainingOverScenes {
 protected:
  static std::string folder(const std::string& name) { return folder_ + "/" + name; }

  // What `world_size` processes write with --dump-step.
  static NamedArrays dump_of(const Config& config, int world_size, const std::string& name, int steps) {
    std::filesystem::create_directories(folder(name));
    write_file_atomic(folder(name) + "/config.yaml", dump_config(config));
    if (world_size == 1) {
      DumpStepOptions options;
      options.path = folder(name) + "/step.npz";
      options.steps = steps;
      dump_training_step(config, options);
    } else {
      run_ranks("RankWork.DISABLED_DumpStep", world_size, folder(name), std::to_string(steps));
    }
    return load_npz(folder(name) + "/step.npz");
  }
};

TEST(RankWork, DISABLED_DumpStep) {
  if (!join_as_rank()) return;
  const Config config = load_config(rank_folder() + "/config.yaml", {});
  DumpStepOptions options;
  options.path = rank_folder() + "/step.npz";
  options.steps = std::stoi(rank_extra());
  dump_training_step(config, options);
  distributed::stop();
}

// The largest difference of two arrays over the largest magnitude in the first.
double relative_difference(const NDArray& a, const NDArray& b) {
  EXPECT_EQ(a.shape, b.shape);
  double largest = 0, difference = 0;
  for (std::int64_t i = 0; i < element_count(a.shape); ++i) {
    const auto at = static_cast<std::size_t>(i);
    largest = std::max(largest, std::abs(static_cast<double>(a.data<float>()[at])));
    difference = std::max(difference, std::abs(static_cast<double>(a.data<float>()[at] - b.data<float>()[at])));
  }
  return difference / std::max(largest, 1e-12);
}

// Every array of `one` whose name begins with the prefix, within `tolerance` of that in `several`. How many there are.
int expect_alike(const NamedArrays& one, const NamedArrays& several, const std::string& prefix, double tolerance) {
  int count = 0;
  for (const auto& [name, array] : one) {
    if (name.compare(0, prefix.size(), prefix) != 0) continue;
    ++count;
    const auto found = several.find(name);
    if (found == several.end()) {
      ADD_FAILURE() << name << " is missing";
      continue;
    }
    EXPECT_LE(relative_difference(array, found->second), tolerance) << name;
  }
  return count;
}

// Each loss of each step on its own.
void expect_the_same_steps(const NamedArrays& one, const NamedArrays& several, int steps) {
  for (const char* name : {"losses.total", "losses.loss_cls", "losses.loss_box_reg", "losses.loss_mask",
                           "losses.loss_rpn_cls", "losses.loss_rpn_loc"}) {
    ASSERT_EQ(several.at(name).shape, (Shape{steps}));
    for (int i = 0; i < steps; ++i) {
      const double a = one.at(name).data<float>()[static_cast<std::size_t>(i)];
      const double b = several.at(name).data<float>()[static_cast<std::size_t>(i)];
      EXPECT_NEAR(a, b, 1e-5 * std::abs(a)) << name << " of step " << i;
    }
  }
}

TEST_F(SeveralRanks, TwoAndFourHaveTheLossesOfOneInEveryOneOf20Steps) {
  Config config = config_for("losses", {"MODEL.RESNETS.NORM", "FrozenBN", "SOLVER.IMS_PER_BATCH", "4", "SOLVER.BASE_LR",
                                        "0.01", "SOLVER.STEPS", "()"});
  Trainer(config, false).save("model_0000000");  // frozen norms that neither blow up values nor lose them
  config.model.weights = config.output_dir + "/model_0000000.pth";
  const NamedArrays one = dump_of(config, 1, "losses1", 20);
  EXPECT_NE(one.at("losses.total").data<float>()[0], one.at("losses.total").data<float>()[19]);
  for (const int ranks : {2, 4}) {
    const NamedArrays several = dump_of(config, ranks, "losses" + std::to_string(ranks), 20);
    expect_the_same_steps(one, several, 20);
    EXPECT_GT(expect_alike(one, several, "grad.", 1e-5), 40);
  }
}

TEST_F(SeveralRanks, SynchronisedNormsTrainAsOneProcessDoes) {
  const Config config =
      config_for("norms", {"MODEL.RESNETS.NORM", "SyncBN", "MODEL.FPN.NORM", "SyncBN", "MODEL.ROI_MASK_HEAD.NORM",
                           "SyncBN", "SOLVER.IMS_PER_BATCH", "4", "SOLVER.STEPS", "()", "SOLVER.BASE_LR", "0.0001"});
  const NamedArrays one = dump_of(config, 1, "norms1", 3);
  const NamedArrays two = dump_of(config, 2, "norms2", 3);
  expect_the_same_steps(one, two, 3);
  // Behind norms gradients are differences of large sums: 2e-7 of the pictures' scale change some by 8 % here. The
  // norm's own are held to 1e-5 below.
  EXPECT_GT(expect_alike(one, two, "grad.backbone", 1e-3), 100);
  EXPECT_GT(expect_alike(one, two, "grad.roi_heads", 1e-2), 8);
  EXPECT_GT(expect_alike(one, two, "statistic.", 1e-4), 90);
}

// [7, 3, 2, 5] numbers of which rank 0 has the first `first`.
at::Tensor norm_input() {
  Random random(3, RandomPurpose::test);
  std::vector<float> values;
  for (int i = 0; i < 7 * 3 * 2 * 5; ++i) values.push_back(static_cast<float>(random.uniform(-1, 5)));
  return to_tensor(values).view({7, 3, 2, 5});
}

struct NormRun {
  at::Tensor output, input_gradient, weight_gradient, bias_gradient, mean, variance;
};

NormRun run_norm(const at::Tensor& given) {
  const at::Tensor input = given.detach().clone().set_requires_grad(true);
  const at::Tensor weight = at::tensor({0.5f, 2.0f, -1.0f}).set_requires_grad(true);
  const at::Tensor bias = at::tensor({0.1f, 0.2f, 0.3f}).set_requires_grad(true);
  const NormState state = {at::zeros({3}), at::ones({3}), 0.1, 1e-5};
  const at::Tensor output = synchronised_batch_norm(input, weight, bias, state);
  (output * output.detach().sin()).sum().backward();
  return {output.detach(), input.grad(), weight.grad(), bias.grad(), state.running_mean, state.running_var};
}

TEST(RankWork, DISABLED_Norm) {
  if (!join_as_rank()) return;
  const std::int64_t first = std::stoi(rank_extra());
  const at::Tensor input = norm_input();
  const bool main = distributed::is_main();
  const NormRun run = run_norm(main ? input.slice(0, 0, first) : input.slice(0, first));
  NamedArrays arrays = {{"output", to_array(run.output)},
                        {"input", to_array(run.input_gradient)},
                        {"weight", to_array(run.weight_gradient)},
                        {"bias", to_array(run.bias_gradient)},
                        {"mean", to_array(run.mean)},
                        {"variance", to_array(run.variance)}};
  save_npz(rank_folder() + "/norm" + std::to_string(distributed::rank()) + ".npz", arrays);
  distributed::stop();
}

TEST_F(SeveralRanks, ANormOfUnequalSharesEqualsOneOverAll) {
  const NormRun one = run_norm(norm_input());
  for (const int first : {2, 7}) {  // 2 and 5 pictures; 7 and none
    const std::string where = folder("norm" + std::to_string(first));
    run_ranks("RankWork.DISABLED_Norm", 2, where, std::to_string(first));
    const NamedArrays a = load_npz(where + "/norm0.npz"), b = load_npz(where + "/norm1.npz");
    const auto both = [&](const char* name) { return at::cat({to_tensor(a.at(name)), to_tensor(b.at(name))}); };
    const auto sum = [&](const char* name) { return to_tensor(a.at(name)) + to_tensor(b.at(name)); };
    const auto expect_close = [&](const at::Tensor& got, const at::Tensor& expected, const char* what) {
      EXPECT_TRUE(at::allclose(got, expected, 1e-5, 2e-6)) << what << " with " << first << ": " << got << expected;
    };
    expect_close(both("output"), one.output, "output");
    expect_close(both("input"), one.input_gradient, "input gradient");
    expect_close(sum("weight"), one.weight_gradient, "weight gradient");
    expect_close(sum("bias"), one.bias_gradient, "bias gradient");
    for (const NamedArrays* rank : {&a, &b}) {
      expect_close(to_tensor(rank->at("mean")), one.mean, "running mean");
      expect_close(to_tensor(rank->at("variance")), one.variance, "running variance");
    }
  }
}

TEST(RankWork, DISABLED_Gather) {
  if (!join_as_rank()) return;
  const int rank = distributed::rank();
  std::vector<std::string> pieces;
  if (rank == 1) pieces = {"", std::string(9 << 20, 'x'), "end"};  // more than one block
  if (rank == 0) pieces = {"first"};
  std::vector<std::size_t> sizes;
  std::string last;
  distributed::gather("pieces", pieces, [&](std::string_view piece) {
    sizes.push_back(piece.size());
    last = std::string(piece);
  });
  if (rank == 0) {
    EXPECT_THAT(sizes, testing::ElementsAre(5u, 0u, std::size_t{9 << 20}, 3u));
    EXPECT_EQ(last, "end");
  } else {
    EXPECT_TRUE(sizes.empty());
  }
  // A file that one rank wants.
  const std::string source = rank_folder() + "/source", target = rank_folder() + "/target";
  if (rank == 0) write_file_atomic(source, std::string(5 << 20, 'y'));
  distributed::send_file(source, rank == 2 ? target : "");
  if (rank == 2) EXPECT_EQ(read_file(target), std::string(5 << 20, 'y'));
  EXPECT_EQ(distributed::from_main("word", rank == 0 ? "yes" : "no"), "yes");
  EXPECT_THAT(
      [&] { distributed::check_same("the config", rank == 2 ? "b" : "a", rank == 2 ? "X: 1\nLR: 2" : "X: 1\nLR: 3"); },
      testing::ThrowsMessage<ConfigError>(
          "distributed: the config must be the same on all ranks: rank 0 has a, rank 2 has "
          "b: LR: 2 (rank 0: LR: 3)"));
  distributed::stop();
}

TEST_F(SeveralRanks, PiecesFilesAndAnswersComeTogether) { run_ranks("RankWork.DISABLED_Gather", 3, folder("gather")); }

TEST(RankPlaces, SlurmsFirstHostIsFound) {
  EXPECT_EQ(first_slurm_host("node[03-05,9],gpu1"), "node03");
  EXPECT_EQ(first_slurm_host("gpu1,node[03-05]"), "gpu1");
  EXPECT_EQ(first_slurm_host("rack[2,4]-n1,x"), "rack2-n1");
  EXPECT_EQ(first_slurm_host("alone"), "alone");
}

}  // namespace
}  // namespace fastermask
