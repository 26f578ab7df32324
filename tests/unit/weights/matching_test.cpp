// Fitting files to models.
#include "fastermask/weights/matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fastermask {
namespace {

NDArray ones(const Shape& shape) {
  return NDArray::from<float>(shape, std::vector<float>(static_cast<std::size_t>(element_count(shape)), 1.0f));
}

WeightFile file_of(NamedArrays arrays, bool matching = false) {
  WeightFile file;
  file.path = "x.pth";
  file.arrays = std::move(arrays);
  file.needs_name_matching = matching;
  return file;
}

TEST(Matching, ExactNamesOnlyUnlessTheFileAsksForMore) {
  const std::vector<ParameterSpec> model = {{"backbone.stem.conv1.weight", {2}, false}};
  MatchResult match = match_weights(file_of({{"stem.conv1.weight", ones({2})}}), model);
  EXPECT_EQ(match.missing, std::vector<std::string>{"backbone.stem.conv1.weight"});
  EXPECT_EQ(match.unexpected, std::vector<std::string>{"stem.conv1.weight"});
  match = match_weights(file_of({{"stem.conv1.weight", ones({2})}}, true), model);
  EXPECT_EQ(match.matched.at("backbone.stem.conv1.weight"), "stem.conv1.weight");
  EXPECT_TRUE(match.missing.empty());
  EXPECT_TRUE(match.unexpected.empty());
}

TEST(Matching, TheLongestSuffixAfterADotWins) {
  const WeightFile file =
      file_of({{"conv1.weight", ones({2})}, {"0.conv1.weight", ones({2})}, {"onv1.weight", ones({2})}}, true);
  const MatchResult match =
      match_weights(file, {{"res2.0.conv1.weight", {2}, false}, {"stem.conv1.weight", {2}, false}});
  EXPECT_EQ(match.matched.at("res2.0.conv1.weight"), "0.conv1.weight");
  EXPECT_EQ(match.matched.at("stem.conv1.weight"), "conv1.weight");
  EXPECT_EQ(match.unexpected, std::vector<std::string>{"onv1.weight"});
}

TEST(Matching, OneArrayForTwoParametersIsAnError) {
  try {
    match_weights(file_of({{"w", ones({2})}}, true), {{"a.w", {2}, false}, {"b.w", {2}, false}});
    FAIL();
  } catch (const WeightsError& error) {
    EXPECT_STREQ(error.what(),
                 "x.pth: 'w' fits both 'a.w' and 'b.w' of the model; names of this file are too short to "
                 "be matched");
  }
}

TEST(Matching, OtherShapesAreReportedAndLeftAlone) {
  const LoadedWeights loaded = load_weights_for(file_of({{"a.w", ones({2, 3})}, {"a.b", ones({2})}}),
                                                {{"a.w", {4, 3}, false}, {"a.b", {2}, false}});
  ASSERT_EQ(loaded.match.mismatched.size(), 1u);
  EXPECT_EQ(loaded.match.mismatched[0].file_shape, (Shape{2, 3}));
  EXPECT_EQ(loaded.arrays.count("a.w"), 0u);
  EXPECT_EQ(loaded.arrays.count("a.b"), 1u);
  EXPECT_TRUE(loaded.match.missing.empty());
  EXPECT_TRUE(loaded.match.unexpected.empty());
}

TEST(Matching, DerivedBuffersAreNeverReported) {
  const WeightFile file =
      file_of({{"pixel_mean", ones({3})}, {"norm.num_batches_tracked", ones({})}, {"w", ones({1})}});
  const LoadedWeights loaded =
      load_weights_for(file, {{"pixel_mean", {3, 1, 1}, false},
                              {"pixel_std", {3, 1, 1}, false},
                              {"proposal_generator.anchor_generator.cell_anchors.0", {3, 4}, false},
                              {"w", {1}, false}});
  EXPECT_EQ(format_match_report(loaded.match, "x.pth"), "");
  EXPECT_EQ(loaded.arrays.at("pixel_mean").shape, (Shape{3, 1, 1}));
}

TEST(Matching, FloatsBecomeFloat32AndIntegersStay) {
  NDArray doubles = NDArray::from<double>({1}, std::vector<double>{0.5});
  NDArray half(DType::float16, {1});
  half.bytes = {std::byte{0}, std::byte{0x38}};
  const LoadedWeights loaded =
      load_weights_for(file_of({{"d", doubles}, {"h", half}, {"i", NDArray(DType::int64, {1})}}),
                       {{"d", {1}, false}, {"h", {1}, false}, {"i", {1}, false}});
  EXPECT_EQ(loaded.arrays.at("d").to_floats(), std::vector<float>{0.5f});
  EXPECT_EQ(loaded.arrays.at("h").dtype, DType::float32);
  EXPECT_EQ(loaded.arrays.at("h").to_floats(), std::vector<float>{0.5f});
  EXPECT_EQ(loaded.arrays.at("i").dtype, DType::int64);
}

class FrozenBatchNorm : public testing::Test {
 protected:
  const std::vector<ParameterSpec> model_ = {
      {"n.weight", {1}, true}, {"n.bias", {1}, true}, {"n.running_mean", {1}, true}, {"n.running_var", {1}, true}};
};

TEST_F(FrozenBatchNorm, WithoutAVersionGetsMissingStatistics) {
  const LoadedWeights loaded = load_weights_for(file_of({{"n.weight", ones({1})}, {"n.bias", ones({1})}}), model_);
  EXPECT_EQ(loaded.arrays.at("n.running_mean").to_floats(), std::vector<float>{0.0f});
  EXPECT_EQ(loaded.arrays.at("n.running_var").to_floats(), std::vector<float>{1.0f});
  EXPECT_TRUE(loaded.match.missing.empty());
}

TEST_F(FrozenBatchNorm, OfVersionTwoMissesThem) {
  WeightFile file = file_of({{"n.weight", ones({1})}, {"n.bias", ones({1})}});
  file.module_versions["n"] = 2;
  EXPECT_EQ(load_weights_for(file, model_).match.missing,
            (std::vector<std::string>{"n.running_mean", "n.running_var"}));
}

TEST_F(FrozenBatchNorm, BelowVersionThreeHasEpsilonTakenOffItsVariance) {
  WeightFile file = file_of({{"n.running_var", ones({1})}});
  EXPECT_EQ(load_weights_for(file, model_).arrays.at("n.running_var").to_floats(), std::vector<float>{1.0f});
  file.module_versions["n"] = 2;
  EXPECT_EQ(load_weights_for(file, model_).arrays.at("n.running_var").to_floats(), std::vector<float>{1.0f - 1e-5f});
  file.module_versions["n"] = 3;
  EXPECT_EQ(load_weights_for(file, model_).arrays.at("n.running_var").to_floats(), std::vector<float>{1.0f});
}

TEST(MatchReport, ListsShapesMissingAndLeftOver) {
  MatchResult match;
  match.matched["x"] = "x";
  match.mismatched = {{"roi_heads.box_predictor.cls_score.weight", "cls_score.weight", {4, 1024}, {81, 1024}}};
  match.missing = {"fpn_lateral2.weight", "fpn_lateral2.bias", "mask.weight"};
  match.unexpected = {"fc.bias"};
  EXPECT_EQ(format_match_report(match, "x.pth"),
            "Other shapes in the file, left as initialised (usual when fine-tuning on other classes):\n"
            "  roi_heads.box_predictor.cls_score.weight: file [81, 1024], model [4, 1024]\n"
            "Not in the file, left as initialised:\n"
            "  fpn_lateral2.{bias, weight}\n"
            "  mask.weight\n"
            "In the file, but not in the model:\n"
            "  fc.bias");
}

TEST(MatchReport, SaysWhenNothingFits) {
  MatchResult match;
  match.missing = {"a"};
  EXPECT_THAT(format_match_report(match, "x.pth"),
              testing::StartsWith("x.pth: nothing in it fits the model; is it for another model?\n"));
}

}  // namespace
}  // namespace fastermask
