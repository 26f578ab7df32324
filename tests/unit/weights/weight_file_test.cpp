// Weight files recognised by their content.
#include "fastermask/weights/weight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/file.h"
#include "fastermask/weights/checksum.h"
#include "fastermask/weights/safetensors.h"
#include "fastermask/weights/torch_file.h"
#include "support/weights.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing_support::same_arrays;

std::string temporary(const std::string& name) { return testing::TempDir() + "/fastermask_weight_" + name; }

NDArray numbers(std::vector<float> values) {
  return NDArray::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

NamedArrays two_arrays() { return {{"backbone.a.weight", numbers({1, 2})}, {"roi_heads.b.bias", numbers({3})}}; }

std::string error_of(const std::string& name, const std::string& content) {
  const std::string path = temporary(name);
  write_file_atomic(path, content);
  try {
    load_weight_file(path);
  } catch (const WeightsError& error) {
    return error.what();
  }
  return "no error";
}

TEST(WeightFile, EveryFormatIsRecognisedByItsContentWhateverItsName) {
  const std::pair<const char*, WeightFormat> formats[] = {{".pkl", WeightFormat::detectron2_pickle},
                                                          {".pth", WeightFormat::torch},
                                                          {".pt", WeightFormat::torch},
                                                          {".safetensors", WeightFormat::safetensors},
                                                          {".npz", WeightFormat::npz}};
  for (const auto& [ending, format] : formats) {
    const std::string path = temporary(std::string("format") + ending);
    save_weight_file(path, two_arrays());
    const std::string disguise = temporary("format.bin");
    write_file_atomic(disguise, read_file(path));
    const WeightFile file = load_weight_file(disguise);
    EXPECT_EQ(file.format, format);
    EXPECT_TRUE(same_arrays(file.arrays, two_arrays())) << ending;
    EXPECT_FALSE(file.needs_name_matching);
    EXPECT_FALSE(file.converted);
  }
}

TEST(WeightFile, MatchingHeuristicsSurviveBeingWritten) {
  SaveWeightsOptions options;
  options.matching_heuristics = true;
  for (const char* ending : {".pkl", ".pth", ".safetensors"}) {
    const std::string path = temporary(std::string("heuristics") + ending);
    save_weight_file(path, two_arrays(), options);
    EXPECT_TRUE(load_weight_file(path).needs_name_matching) << ending;
  }
}

TEST(WeightFile, OtherEndingsAreRefused) {
  try {
    save_weight_file("model.onnx", two_arrays());
    FAIL();
  } catch (const WeightsError& error) {
    EXPECT_STREQ(error.what(),
                 "model.onnx: weights are written as .pkl, .pth, .pt, .safetensors or .npz, by the file's ending");
  }
}

TEST(WeightFile, StateDictsAreFoundUnderTheUsualKeysAndBare) {
  for (const char* key : {"model", "state_dict", "model_state_dict", ""}) {
    PickleValue state = PickleValue::state_dict(two_arrays());
    PickleValue tree = state;
    if (*key != '\0') {
      tree = PickleValue::dict();
      tree.set("epoch", PickleValue::integer(3));
      tree.set("iteration", PickleValue::integer(17));
      tree.set(key, state);
    }
    const std::string path = temporary("keys.pth");
    save_torch_file(path, tree);
    const WeightFile file = load_weight_file(path);
    EXPECT_TRUE(same_arrays(file.arrays, two_arrays())) << key;
    EXPECT_EQ(file.iteration, *key == '\0' ? -1 : 17);
  }
}

TEST(WeightFile, AModulePrefixOfAllNamesIsDroppedFromNamesAndVersions) {
  PickleValue state = PickleValue::ordered_dict();
  state.set("module.norm.weight", PickleValue::array(numbers({1})));
  PickleValue version = PickleValue::dict();
  version.set("version", PickleValue::integer(3));
  PickleValue metadata = PickleValue::ordered_dict();
  metadata.set("module.norm", version);
  state.set_attribute("_metadata", metadata);
  WeightFile file = weights_of_tree(state, "x");
  EXPECT_EQ(file.arrays.count("norm.weight"), 1u);
  EXPECT_EQ(file.module_versions.at("norm"), 3);
  state.set("other.weight", PickleValue::array(numbers({1})));
  file = weights_of_tree(state, "x");
  EXPECT_EQ(file.arrays.count("module.norm.weight"), 1u);
}

TEST(WeightFile, ATreeThatOthersHoldKeepsItsArrays) {
  PickleValue state = PickleValue::state_dict(two_arrays());
  PickleValue tree = PickleValue::dict();
  tree.set("model", state);
  const PickleValue kept = tree;
  EXPECT_TRUE(same_arrays(weights_of_tree(tree, "x").arrays, two_arrays()));
  EXPECT_EQ(kept.at("model").at("backbone.a.weight").as_array().bytes.size(), 8u);
  tree = PickleValue();
  const PickleValue inner = kept.at("model");
  EXPECT_TRUE(same_arrays(weights_of_tree(kept, "x").arrays, two_arrays()));
  EXPECT_EQ(inner.at("backbone.a.weight").as_array().bytes.size(), 8u);
}

TEST(WeightFile, CaffeBlobsAreRenamedUnlessNamesAreKept) {
  PickleValue blobs = PickleValue::dict();
  blobs.set("conv1_w", PickleValue::array(numbers({1})));
  blobs.set("conv1_w_momentum", PickleValue::array(numbers({2})));
  PickleValue tree = PickleValue::dict();
  tree.set("blobs", blobs);
  const std::string path = temporary("caffe.pkl");
  save_pickle(path, tree);
  const WeightFile file = load_weight_file(path);
  EXPECT_EQ(file.format, WeightFormat::caffe2_pickle);
  EXPECT_EQ(file.names, WeightNames::caffe2);
  EXPECT_TRUE(file.converted);
  EXPECT_TRUE(file.needs_name_matching);
  EXPECT_TRUE(same_arrays(file.arrays, {{"stem.conv1.weight", numbers({1})}}));
  const WeightFile kept = load_weight_file(path, true);
  EXPECT_EQ(kept.names, WeightNames::caffe2);
  EXPECT_FALSE(kept.converted);
  EXPECT_EQ(kept.arrays.size(), 2u);
}

TEST(WeightFile, FilesThatAreNoWeightsAreRefusedWithAReason) {
  EXPECT_THAT(error_of("empty", ""), HasSubstr("the file is empty"));
  EXPECT_THAT(error_of("page", "<html>"), HasSubstr("a web page, not a weight file"));
  EXPECT_THAT(error_of("lfs", "version https://git-lfs.github.com/spec/v1\n"), HasSubstr("a Git LFS pointer"));
  EXPECT_THAT(error_of("list", "(lp0\n."), HasSubstr("a weight file must hold a dict of arrays, got list of 0"));
  EXPECT_THAT(error_of("nothing", "}."),
              HasSubstr("no arrays in it; looked under 'model', 'state_dict' and at the top, found an empty dict"));
  EXPECT_THAT(error_of("words", "}S'a'\nI1\ns."), HasSubstr("found 'a'"));
  const std::string path = temporary("no_arrays.safetensors");
  save_safetensors(path, {});
  EXPECT_THROW(load_weight_file(path), WeightsError);
  EXPECT_THROW(load_weight_file(temporary("not_there")), Error);
}

TEST(Checksum, IsTheSameInEveryFormatAndChangesWithEveryPart) {
  const std::uint32_t crc = arrays_checksum(two_arrays());
  for (const char* ending : {".pkl", ".pth", ".safetensors", ".npz"}) {
    const std::string path = temporary(std::string("crc") + ending);
    save_weight_file(path, two_arrays());
    EXPECT_EQ(arrays_checksum(load_weight_file(path).arrays), crc);
  }
  NamedArrays changed = two_arrays();
  changed["backbone.a.weight"].shape = {2, 1};
  EXPECT_NE(arrays_checksum(changed), crc);
  changed = two_arrays();
  changed["backbone.a.weight"].bytes[0] = std::byte{1};
  EXPECT_NE(arrays_checksum(changed), crc);
  EXPECT_EQ(array_checksum(NDArray::from<std::uint8_t>({9}, reinterpret_cast<const std::uint8_t*>("123456789"))),
            0xcbf43926u);  // the check value of CRC-32
  EXPECT_EQ(array_checksum(NDArray(DType::float32, {0})), 0u);
}

}  // namespace
}  // namespace fastermask
