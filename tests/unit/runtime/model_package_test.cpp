// Model packages: what goes in comes out, and no damage goes unnoticed.
#include "fastermask/runtime/model_package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/base/random.h"
#include "fastermask/config/load.h"
#include "fastermask/runtime/cpu_executor.h"
#include "fastermask/runtime/initial_weights.h"

namespace fastermask {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Config tiny_model() {
  return load_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml",
                     {"MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.RESNETS.RES2_OUT_CHANNELS", "16",
                      "MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.FPN.OUT_CHANNELS", "32", "MODEL.FPN.NORM", "GN",
                      "MODEL.ROI_BOX_HEAD.FC_DIM", "16", "MODEL.ROI_MASK_HEAD.CONV_DIM", "16",
                      "MODEL.ROI_HEADS.NUM_CLASSES", "2", "MODEL.WEIGHTS", "secret/place.pth"});
}

class ModelPackageFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/model_package";
    make_folders(folder_);
    path_ = folder_ + "/model.fmm";
    config_ = tiny_model();
    network_ = build_network(config_);
    weights_ = compile_weights(network_, random_weights(network_, 3, 1), {});
    save_model_package(path_, config_, {{"nut", "bolt"}, {4, 9}}, weights_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The message of what loading a file with this content throws.
  std::string complaint(const std::string& content) {
    write_file_atomic(folder_ + "/damaged.fmm", content);
    try {
      load_model_package(folder_ + "/damaged.fmm");
    } catch (const WeightsError& error) {
      return error.what();
    }
    return "";
  }

  std::string folder_, path_;
  Config config_;
  Network network_;
  CompiledWeights weights_;
};

TEST_F(ModelPackageFile, RunsLikeTheModelItWasMadeOf) {
  const ModelPackage package = load_model_package(path_);
  EXPECT_EQ(package.classes.names, (std::vector<std::string>{"nut", "bolt"}));
  EXPECT_EQ(package.classes.category_ids, (std::vector<std::int64_t>{4, 9}));
  EXPECT_EQ(package.config.model.weights, "");
  EXPECT_TRUE(is_model_package(path_));
  CpuExecutor original(network_, weights_);
  CpuExecutor loaded(build_network(package.config), package.weights);
  std::vector<float> input(64 * 64 * 3);
  Random random(1, RandomPurpose::test);
  for (float& value : input) value = static_cast<float>(random.normal());
  const HostTensor tensor{{1, 64, 64, 3}, input.data(), nullptr};
  const auto expected = original.run(NetworkPart::dense, 0, tensor);
  const auto got = loaded.run(NetworkPart::dense, 0, tensor);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_TRUE(std::equal(got[i].data, got[i].data + got[i].size(), expected[i].data));
}

TEST_F(ModelPackageFile, SkeletonsOfKeypointsThatAreNotThereAreRefused) {
  EXPECT_TRUE(load_model_package(path_).classes.skeleton.empty());
  save_model_package(path_, config_, {{"nut", "bolt"}, {4, 9}, {{0, 16}}}, weights_);  // 17 keypoints by default
  EXPECT_EQ(load_model_package(path_).classes.skeleton, (std::vector<std::pair<int, int>>{{0, 16}}));
  save_model_package(path_, config_, {{"nut", "bolt"}, {4, 9}, {{0, 17}}}, weights_);
  EXPECT_THAT([&] { load_model_package(path_); }, ThrowsMessage<WeightsError>(HasSubstr("skeleton")));
}

// What the layers of the dense part give for one made-up picture.
std::vector<std::vector<float>> dense_outputs(const Network& network, const CompiledWeights& weights) {
  CpuExecutor executor(network, weights);
  std::vector<float> input(64 * 64 * 3);
  Random random(1, RandomPurpose::test);
  for (float& value : input) value = static_cast<float>(random.normal());
  std::vector<std::vector<float>> outputs;
  for (const HostTensor& output : executor.run(NetworkPart::dense, 0, {{1, 64, 64, 3}, input.data(), nullptr}))
    outputs.emplace_back(output.data, output.data + output.size());
  return outputs;
}

TEST_F(ModelPackageFile, Bf16TakesHalfTheBytesAndRunsLikeItsWeights) {
  const CompiledWeights halves = compile_weights(network_, random_weights(network_, 3, 1), {true, WeightPrecision::bf16});
  const std::string path = folder_ + "/bf16.fmm";
  save_model_package(path, config_, {{"nut", "bolt"}, {4, 9}}, halves, WeightPrecision::bf16);
  EXPECT_LT(read_file(path).size(), read_file(path_).size() * 6 / 10);
  // In the form that this processor multiplies, so that loading packs nothing anew.
  const bool multiplies_f16 = best_isa() == Isa::avx512 && half_arithmetic() == HalfArithmetic::float16;
  EXPECT_EQ(read_file(path).find("\"f16\"") != std::string::npos, multiplies_f16);
  const ModelPackage package = load_model_package(path);
  EXPECT_EQ(package.precision, WeightPrecision::bf16);
  const auto got = dense_outputs(build_network(package.config), package.weights);
  EXPECT_EQ(got, dense_outputs(network_, halves));
  const auto exact = dense_outputs(network_, weights_);
  ASSERT_EQ(got.size(), exact.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    double error = 0, power = 0;
    for (std::size_t j = 0; j < got[i].size(); ++j) {
      error += std::pow(static_cast<double>(got[i][j]) - static_cast<double>(exact[i][j]), 2);
      power += std::pow(static_cast<double>(exact[i][j]), 2);
    }
    EXPECT_GT(error, 0) << "output " << i << " was not computed with rounded weights";
    // What the weights are multiplied with is rounded, too, where the processor gains by it.
    const double limit = half_arithmetic() == HalfArithmetic::float32 ? 0.03 : 0.06;
    EXPECT_LT(std::sqrt(error / power), limit) << "output " << i;
  }
  EXPECT_THROW(save_model_package(path, config_, {{"nut", "bolt"}, {4, 9}}, weights_, WeightPrecision::bf16), Error);
}

TEST_F(ModelPackageFile, TruncationAndFlippedBitsAreFound) {
  const std::string whole = read_file(path_);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{39}, std::size_t{500}, whole.size() / 2,
                                 whole.size() - 1}) {
    EXPECT_NE(complaint(whole.substr(0, size)), "") << size << " bytes";
  }
  EXPECT_THAT(complaint(whole + "x"), HasSubstr("bytes where"));
  Random random(2, RandomPurpose::test);
  for (int i = 0; i < 60; ++i) {
    std::string flipped = whole;
    // Some in the header, most anywhere; but not in the gap between header and data, which nobody reads.
    const std::size_t header = 40 + 1000;
    const auto place = static_cast<std::size_t>(
        random.uniform_int(static_cast<std::int64_t>(i < 20 ? header : whole.size())));
    if (place >= 12 && place < 16) continue;  // unused
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << random.uniform_int(8)));
    EXPECT_NE(complaint(flipped), "") << "byte " << place;
  }
}

TEST_F(ModelPackageFile, OtherVersionsAreNamed) {
  std::string content = read_file(path_);
  content[8] = 9;
  EXPECT_THAT(complaint(content), HasSubstr("has format 9, this version of FasterMask reads formats 3 and 5"));
  content[8] = 4;
  EXPECT_THAT(complaint(content), HasSubstr("has format 4"));
  content[8] = 3;
  EXPECT_EQ(complaint(content), "");
  EXPECT_THAT(complaint("PK not a package at all, but long enough to be one"), HasSubstr("is no model package"));
  EXPECT_FALSE(is_model_package(folder_));
}

TEST_F(ModelPackageFile, WeightsOfAnotherNetworkAreRefused) {
  Config other = config_;
  merge_overrides(other, {"MODEL.ROI_HEADS.NUM_CLASSES", "5"});
  EXPECT_THAT([&] { CpuExecutor(build_network(other), weights_); },
              ThrowsMessage<WeightsError>(HasSubstr("are not those of this network")));
}

}  // namespace
}  // namespace fastermask
