// A training step of the reference's small models: losses, metrics, every gradient, and ten steps of SGD. Chance is
// out: "nosub" samples everything, "first_k" takes the first anchors and proposals.
#include "fastermask/training/dump_step.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <tuple>

#include "parity/runtime/golden_model.h"

namespace fastermask {
namespace {

using golden_model::WorstErrors;

// What the reference itself changes by when its convolution library or thread count does (golden/README.md), doubled.
struct StepTolerance {
  double losses = 1e-5;
  double gradients = 2e-5;  // norms
  double elements = 1e-4;   // single numbers over their array's largest: not recorded, so three times what we measured
  double first_steps = 1e-5;  // SGD steps 0 to 3: rounding, grown by four updates
  double later_steps = 0.03;  // a proposal that flips near a threshold: 2 % in the reference
};

StepTolerance tolerance_of(const std::string& model) {
  StepTolerance tolerance;
  if (model == "cascade_fpn") tolerance = {1e-5, 4e-4, 1e-2, 1e-5, 0.03};
  if (model == "keypoint_fpn") tolerance = {1e-5, 6e-3, 6e-3, 1e-5, 0.03};
  return tolerance;
}

// Sums to zero by construction (a softmax over the map does not see a constant): only rounding is left of it.
bool is_rounding_only(const std::string& parameter) { return parameter == "roi_heads.keypoint_head.score_lowres.bias"; }

double relative(double got, double expected) { return std::abs(got - expected) / std::max(std::abs(expected), 1e-9); }

double scalar(const NamedArrays& dump, const std::string& name) {
  const auto it = dump.find(name);
  if (it == dump.end()) fail("the step has no {}", name);
  return it->second.to_floats().at(0);
}

std::string as_override(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

class GoldenStep : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  const std::string model = std::get<0>(GetParam());
  const std::string mode = std::get<1>(GetParam());

  // Runs ten steps and reads back what they wrote.
  NamedArrays run_steps(const std::string& folder, const nlohmann::json& golden) const {
    std::vector<std::string> overrides = {"DATASETS.TRAIN",       "('" + folder + "/gt_coco.json:" + folder + "/..',)",
                                          "SOLVER.IMS_PER_BATCH", "2",
                                          "SOLVER.BASE_LR",       "0.002",
                                          "SOLVER.WARMUP_ITERS",  "5",
                                          "SOLVER.WARMUP_FACTOR", "0.1",
                                          "SOLVER.STEPS",         "(7, 9)",
                                          "SOLVER.MAX_ITER",      "10"};
    for (const nlohmann::json& word : golden.at(mode).at("overrides")) overrides.push_back(as_override(word));
    const auto path = std::filesystem::temp_directory_path() /
                      ("fastermask-step-" + model + "-" + mode + "-" + std::to_string(getpid()) + ".npz");
    DumpStepOptions options;
    options.path = path.string();
    options.steps = 10;
    options.sampling = mode == "first_k" ? SamplingStrategy::first_k : SamplingStrategy::random;
    dump_training_step(golden_model::model_config(folder, overrides), options);
    NamedArrays dump = load_npz(options.path);
    std::filesystem::remove(path);
    return dump;
  }
};

void compare_losses(const NamedArrays& dump, const nlohmann::json& golden, WorstErrors& worst) {
  for (const auto& [name, value] : golden.at("losses").items()) {
    worst.add("losses", relative(scalar(dump, "loss." + name), value), name);
  }
  worst.add("losses", relative(scalar(dump, "loss.total"), golden.at("total")), "total");
}

// Counts are whole numbers and accuracies shares of them, so that one sample more or less shows.
void compare_metrics(const NamedArrays& dump, const nlohmann::json& golden, WorstErrors& worst) {
  for (const auto& [name, value] : golden.at("storage").items()) {
    const bool of_pixels = name.rfind("mask_rcnn/", 0) == 0;
    worst.add(of_pixels ? "metrics of mask pixels" : "metrics",
              std::abs(scalar(dump, "metric." + name) - value.get<double>()), name);
  }
}

void compare_gradients(const NamedArrays& dump, const nlohmann::json& golden, const NamedArrays& gradients,
                       WorstErrors& worst) {
  std::vector<std::string> expected_names, got_names;
  for (const auto& [name, norm] : golden.at("grad_norms").items()) {
    expected_names.push_back(name);
    double squares = 0;
    for (const float value : dump.at("grad." + name).to_floats()) squares += static_cast<double>(value) * value;
    const double error = std::abs(std::sqrt(squares) - norm.get<double>());
    if (is_rounding_only(name)) {
      worst.add("zero gradient", std::sqrt(squares), name);
    } else {
      worst.add("gradient norms", error / norm.get<double>(), name);
    }
  }
  for (const auto& [name, array] : dump) {
    if (name.rfind("grad.", 0) == 0) got_names.push_back(name.substr(5));
  }
  EXPECT_THAT(got_names, testing::UnorderedElementsAreArray(expected_names));
  for (const auto& [name, array] : gradients) {
    if (is_rounding_only(name)) continue;
    const NDArray& got = dump.at("grad." + name);
    ASSERT_EQ(got.shape, array.shape) << name;
    const std::vector<float> values = got.to_floats(), expected = array.to_floats();
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      largest = std::max<double>(largest, std::abs(expected[i]));
      difference = std::max<double>(difference, std::abs(values[i] - expected[i]));
    }
    worst.add("gradients / largest", difference / largest, name);
  }
}

void compare_curves(const NamedArrays& dump, const nlohmann::json& golden, WorstErrors& worst) {
  const nlohmann::json& steps = golden.at("steps");
  ASSERT_EQ(steps.size(), 10u);
  for (const auto& [name, first] : steps.at(0).items()) {
    if (name == "iter" || name == "lr") continue;
    const std::vector<float> curve = dump.at("losses." + name).to_floats();
    ASSERT_EQ(curve.size(), 10u) << name;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      // Each loss against the total: a loss of 1e-4 in a total of 5 moves by its own few anchors.
      const double error = std::abs(curve[i] - steps[i].at(name).get<double>()) / steps[i].at("total").get<double>();
      worst.add(i < 4 ? "SGD steps 0-3" : "SGD steps 4-9", error, name + " of step " + std::to_string(i));
    }
  }
}

TEST_P(GoldenStep, LossesGradientsAndTenStepsEqualTheReference) {
  FASTERMASK_NEEDS_REFERENCE(reference);
  const std::string folder = golden_model::folder_of(reference, model);
  const nlohmann::json golden = golden_model::read_json(folder + "/train.json");
  const NamedArrays dump = run_steps(folder, golden);
  WorstErrors worst(model + " " + mode);
  compare_losses(dump, golden.at(mode), worst);
  compare_metrics(dump, golden.at(mode), worst);
  compare_gradients(dump, golden.at(mode), load_npz(folder + "/grads_" + mode + ".npz"), worst);
  compare_curves(dump, golden.at("sgd10_" + mode), worst);
  worst.print();
  const StepTolerance tolerance = tolerance_of(model);
  worst.expect_below("losses", tolerance.losses);
  worst.expect_below("metrics", 1e-5);
  if (model.find("mask") == 0 || model == "cascade_fpn") worst.expect_below("metrics of mask pixels", 1e-3);
  if (model == "keypoint_fpn") worst.expect_below("zero gradient", 1e-5);
  worst.expect_below("gradient norms", tolerance.gradients);
  worst.expect_below("gradients / largest", tolerance.elements);
  worst.expect_below("SGD steps 0-3", tolerance.first_steps);
  worst.expect_below("SGD steps 4-9", tolerance.later_steps);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenStep,
                         testing::Combine(golden_model::kModels, testing::Values("nosub", "first_k")),
                         [](const auto& test) { return std::get<0>(test.param) + "_" + std::get<1>(test.param); });

}  // namespace
}  // namespace fastermask
