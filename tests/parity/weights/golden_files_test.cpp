// The reference's weight files: what they hold, whose names become which, and what a model gets from them.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "fastermask/weights/matching.h"
#include "fastermask/weights/npz.h"
#include "fastermask/weights/renaming.h"
#include "fastermask/weights/torch_file.h"
#include "fastermask/weights/weight_file.h"
#include "support/reference.h"
#include "support/weights.h"

namespace fastermask {
namespace {

using testing_support::same_arrays;

nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

// Every array of `expected` is in `got`, bit for bit. Returns the first difference.
std::string first_difference(const NamedArrays& got, const NamedArrays& expected) {
  for (const auto& [name, array] : expected) {
    const auto found = got.find(name);
    if (found == got.end()) return name + " is missing";
    if (found->second.shape != array.shape) return name + " has another shape";
    if (found->second.to_floats() != array.to_floats()) return name + " has other values";
  }
  return "";
}

// The model's parameters: names and FrozenBN flags of a full-size model, shapes of the small file's arrays.
std::vector<ParameterSpec> model_specs(const std::string& folder, const NamedArrays& shapes) {
  const auto keys = read_json(folder + "/golden/k_ckpt/d2_model_keys.json");
  std::vector<ParameterSpec> specs;
  for (const auto& [name, entry] : keys.at("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x").items()) {
    const auto found = shapes.find(name);
    ParameterSpec spec;
    spec.name = name;
    spec.shape = found == shapes.end() ? entry.at("shape").get<Shape>() : found->second.shape;
    spec.frozen_bn = name.find(".norm.") != std::string::npos && entry.at("kind") == "buffer";
    specs.push_back(spec);
  }
  return specs;
}

class LoadedFile : public testing::TestWithParam<const char*> {};

TEST_P(LoadedFile, GivesTheModelWhatDetectron2Loads) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string path = folder + "/golden/k_ckpt/" + GetParam();
  const NamedArrays expected = load_npz(path + ".loaded.npz");
  const WeightFile file = load_weight_file(path + ".pkl");
  EXPECT_EQ(file.format, WeightFormat::caffe2_pickle);
  EXPECT_TRUE(file.needs_name_matching);
  // Statistics that are not in the expectation stayed as they were (mean 0).
  NamedArrays shapes = expected;
  for (const auto& [name, array] : expected) {
    const std::size_t leaf = name.rfind("running_var");
    if (leaf != std::string::npos) shapes.emplace(name.substr(0, leaf) + "running_mean", array);
  }
  const LoadedWeights loaded = load_weights_for(file, model_specs(folder, shapes));
  EXPECT_EQ(first_difference(loaded.arrays, expected), "");
  for (const auto& [name, array] : loaded.arrays) {
    if (expected.count(name) != 0) continue;
    EXPECT_NE(name.find("running_mean"), std::string::npos) << name;
    for (const float value : array.to_floats()) EXPECT_EQ(value, 0.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, LoadedFile,
                         testing::Values("R50_msra_tiny", "R50_msra_tiny_py2", "detectron1_mask_fpn_tiny"));

TEST(GoldenNames, EveryNameOfTheMapIsRenamedAsDetectron2DoesIt) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  std::size_t count = 0;
  const auto maps = read_json(folder + "/golden/k_ckpt/name_map.json");
  for (const auto& [set, names] : maps.items()) {
    const bool torchvision = set.find("torchvision") != std::string::npos;
    for (const auto& [old_name, new_name] : names.items()) {
      const std::string got = torchvision ? rename_torchvision_imagenet(old_name) : rename_caffe2(old_name);
      EXPECT_EQ(got, new_name.get<std::string>()) << set << ": " << old_name;
      ++count;
    }
  }
  EXPECT_EQ(count, 2646u);
}

TEST(GoldenNames, RenamedBackbonesMatchEveryBackboneParameterOfTheZooModels) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const auto maps = read_json(folder + "/golden/k_ckpt/name_map.json");
  const auto models = read_json(folder + "/golden/k_ckpt/d2_model_keys.json");
  for (const auto& [model, keys] : models.items()) {
    WeightFile file;
    file.needs_name_matching = true;
    const char* depth = model.find("R_101") == std::string::npos ? "R-50 MSRA ImageNet" : "R-101 MSRA ImageNet";
    for (const auto& [old_name, new_name] : maps.at(depth).items()) file.arrays[new_name.get<std::string>()];
    std::vector<ParameterSpec> specs;
    for (const auto& [name, entry] : keys.items()) specs.push_back({name, {0}, false});
    for (auto& [name, array] : file.arrays) array = NDArray(DType::float32, {0});
    const MatchResult match = match_weights(file, specs);
    for (const std::string& name : match.missing) {
      EXPECT_EQ(name.find(".res"), std::string::npos) << model;
      EXPECT_EQ(name.find("stem"), std::string::npos) << model;
    }
    EXPECT_EQ(match.unexpected, (std::vector<std::string>{"fc1000.bias", "fc1000.weight", "stem.conv1.bias"})) << model;
  }
}

TEST(GoldenFiles, TheSameWeightsAsPickleAndAsTorchFileAreEqual) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string path = folder + "/golden/k_ckpt/d2_truekeys_tiny";
  const NamedArrays values = load_npz(path + "_values.npz");
  const WeightFile pickle = load_weight_file(path + ".pkl");
  const WeightFile torch = load_weight_file(path + ".pth");
  EXPECT_EQ(pickle.format, WeightFormat::detectron2_pickle);
  EXPECT_EQ(pickle.author, "Detectron2 Model Zoo");
  EXPECT_FALSE(pickle.needs_name_matching);
  EXPECT_EQ(torch.format, WeightFormat::torch);
  EXPECT_EQ(values.size(), 307u);
  EXPECT_TRUE(same_arrays(pickle.arrays, values));
  EXPECT_TRUE(same_arrays(torch.arrays, values));
}

class WholeModel : public testing::TestWithParam<const char*> {};

TEST_P(WholeModel, PickleAndTorchFileAreEqualAndSurviveBeingWritten) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const std::string path = folder + "/golden/models/" + GetParam() + "/model";
  const WeightFile pickle = load_weight_file(path + ".pkl");
  const WeightFile torch = load_weight_file(path + ".pth");
  EXPECT_TRUE(same_arrays(pickle.arrays, torch.arrays));
  EXPECT_TRUE(pickle.needs_name_matching);
  EXPECT_FALSE(torch.needs_name_matching);
  EXPECT_EQ(torch.module_versions.at(torch.arrays.count("backbone.stem.conv1.weight") != 0
                                         ? "backbone.stem.conv1.norm" : "backbone.bottom_up.stem.conv1.norm"), 3);
  for (const char* ending : {".pkl", ".pth", ".safetensors", ".npz"}) {
    const std::string copy = testing::TempDir() + "/fastermask_weights_" + GetParam() + ending;
    save_weight_file(copy, torch.arrays);
    EXPECT_TRUE(same_arrays(load_weight_file(copy).arrays, torch.arrays)) << ending;
  }
}

TEST_P(WholeModel, FitsItselfWithoutAnythingLeftOver) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const WeightFile file = load_weight_file(folder + "/golden/models/" + GetParam() + "/model.pkl");
  std::vector<ParameterSpec> specs;
  for (const auto& [name, array] : file.arrays) specs.push_back({name, array.shape, false});
  const LoadedWeights loaded = load_weights_for(file, specs);
  EXPECT_TRUE(same_arrays(loaded.arrays, file.arrays));
  EXPECT_EQ(format_match_report(loaded.match, file.path), "");
}

INSTANTIATE_TEST_SUITE_P(Golden, WholeModel,
                         testing::Values("mask_fpn", "mask_c4", "cascade_fpn", "keypoint_fpn", "faster_c4"));

TEST(GoldenFiles, ATrainingCheckpointKeepsItsStructureWhenWrittenAgain) {
  FASTERMASK_NEEDS_REFERENCE(folder);
  const auto facts = read_json(folder + "/golden/k_ckpt/train_ckpt.json");
  const std::string copy = testing::TempDir() + "/fastermask_train_ckpt.pth";
  const PickleValue original = load_torch_file(folder + "/golden/k_ckpt/train_ckpt.pth");
  save_torch_file(copy, original);
  for (const PickleValue& tree : {original, load_torch_file(copy)}) {
    EXPECT_EQ(tree.entries().size(), facts.at("top").size());
    EXPECT_EQ(tree.at("iteration").as_int(), facts.at("iteration").get<std::int64_t>());
    EXPECT_EQ(tree.at("scheduler").at("last_epoch").as_int(), 3);
    EXPECT_EQ(tree.at("scheduler").at("base_lrs").items().at(0).as_double(), 0.002);
    const PickleValue group = tree.at("optimizer").at("param_groups").items().at(0);
    EXPECT_EQ(group.at("params").items().size(), 84u);
    for (const auto& [name, value] : facts.at("group0").items()) {
      if (value.is_boolean()) {
        EXPECT_EQ(group.at(name).as_bool(), value.get<bool>()) << name;
      } else {
        EXPECT_DOUBLE_EQ(group.at(name).as_double(), value.get<double>()) << name;
      }
    }
    const PickleValue& state = tree.at("optimizer").at("state");
    EXPECT_EQ(state.entries().size(), 84u);
    EXPECT_EQ(state.entries()[0].key.as_int(), 0);
    EXPECT_TRUE(state.entries()[0].value.at("momentum_buffer").is_array());
    EXPECT_EQ(tree.at("model").type_name(), "collections.OrderedDict");
    EXPECT_EQ(tree.at("model").attribute("_metadata").at("").at("version").as_int(), 1);
  }
  EXPECT_TRUE(same_arrays(load_weight_file(copy).arrays,
                          load_weight_file(folder + "/golden/k_ckpt/train_ckpt.pth").arrays));
  EXPECT_EQ(load_weight_file(copy).iteration, 2);
}

}  // namespace
}  // namespace fastermask
