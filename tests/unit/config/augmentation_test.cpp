// INPUT.AUGMENTATIONS: how entries are written, and what is said when they are wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/error.h"
#include "fastermask/base/random.h"
#include "fastermask/config/augmentation_call.h"
#include "fastermask/config/augmentation_spec.h"
#include "fastermask/config/load.h"
#include "unit/config/config_files.h"

namespace fastermask {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::ConfigFolder;

template <class T>
T only(const std::vector<AugmentationSpec>& specs) {
  EXPECT_EQ(specs.size(), 1u);
  return std::get<T>(specs.at(0).value);
}

std::string refusal(const std::vector<std::string>& entries, const std::string& where = "") {
  try {
    parse_augmentations(entries, where);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(AugmentationSpecs, AreWrittenAsCalls) {
  const auto resize = only<ResizeShortestEdgeSpec>(
      parse_augmentations({"ResizeShortestEdge(short_edge_length=[640, 800], max_size=1333, sample_style=choice)"}));
  EXPECT_THAT(resize.short_edge_length, ElementsAre(640, 800));
  EXPECT_EQ(resize.max_size, 1333);
  EXPECT_EQ(resize.sample_style, "choice");
  const auto crop = only<RandomCropSpec>(parse_augmentations({" T.RandomCrop( \"relative\" , (0.8, 0.7), ) "}));
  EXPECT_EQ(crop.crop_type, "relative");
  EXPECT_THAT(crop.crop_size, ElementsAre(0.8, 0.7));
  const auto rotation = only<RandomRotationSpec>(parse_augmentations({"RandomRotation(15, center=(0.25, 0.5))"}));
  EXPECT_THAT(rotation.angle, ElementsAre(15));
  EXPECT_THAT(rotation.center, ElementsAre(ElementsAre(0.25, 0.5)));
  EXPECT_TRUE(rotation.expand);
  const auto flip = only<RandomFlipSpec>(parse_augmentations({"RandomFlip(0.25,horizontal=False,vertical=True)"}));
  EXPECT_EQ(flip.prob, 0.25);
  EXPECT_TRUE(flip.vertical);
  EXPECT_EQ(only<ResizeSpec>(parse_augmentations({"Resize(64)"})).shape.size(), 1u);
}

TEST(AugmentationSpecs, MayBeNested) {
  const auto apply = only<RandomApplySpec>(
      parse_augmentations({"RandomApply([RandomBrightness(0.5, 1.5), RandomContrast(0.8, 1.2)], prob=0.3)"}));
  EXPECT_EQ(apply.prob, 0.3);
  ASSERT_EQ(apply.augmentations.size(), 2u);
  EXPECT_EQ(std::get<RandomContrastSpec>(apply.augmentations[1].value).intensity_max, 1.2);
  const auto one = only<RandomApplySpec>(parse_augmentations({"RandomApply(RandomLighting(25.5))"}));
  EXPECT_EQ(std::get<RandomLightingSpec>(one.augmentations.at(0).value).scale, 25.5);
}

TEST(AugmentationSpecs, MistakesAreNamedWithTheEntryAndWhatIsAllowed) {
  EXPECT_EQ(refusal({"RandomFlip()", "RandomFlop()"}, "a.yaml:3").substr(0, 114),
            "config: INPUT.AUGMENTATIONS[1]: unknown augmentation 'RandomFlop' (a.yaml:3); did you mean 'RandomFlip'?; "
            "FasterMa");
  EXPECT_EQ(refusal({"RandomFlip(probability=1)"}),
            "config: INPUT.AUGMENTATIONS[0]: RandomFlip has no parameter 'probability'; it takes prob, horizontal, "
            "vertical");
  EXPECT_EQ(refusal({"RandomFlip(prob=2)"}, "x:1"),
            "config: INPUT.AUGMENTATIONS[0]: RandomFlip.prob must be in [0, 1], got 2.0 (x:1)");
  EXPECT_EQ(refusal({"RandomFlip(prob=often)"}),
            "config: INPUT.AUGMENTATIONS[0]: RandomFlip.prob must be a number, got 'often'");
  EXPECT_EQ(refusal({"RandomCrop(relativ, (0.5, 0.5))"}),
            "config: INPUT.AUGMENTATIONS[0]: RandomCrop.crop_type must be relative_range, relative, absolute or "
            "absolute_range, got relativ; did you mean 'relative'?");
  EXPECT_EQ(refusal({"RandomCrop(relative)"}),
            "config: INPUT.AUGMENTATIONS[0]: RandomCrop must be given 'crop_size': (height, width) of the part");
  EXPECT_EQ(refusal({"RandomFlip(0.5, prob=0.5)"}), "config: INPUT.AUGMENTATIONS[0]: RandomFlip.prob is given twice");
  EXPECT_EQ(refusal({"RandomFlip(prob=0.5, True)"}),
            "config: INPUT.AUGMENTATIONS[0]: RandomFlip has 'True' without a name after a named parameter");
  EXPECT_EQ(refusal({"RandomLighting(1, 2)"}),
            "config: INPUT.AUGMENTATIONS[0]: RandomLighting takes 1 parameters (scale), got 2");
  for (const char* text : {"RandomFlip", "RandomFlip(", "RandomFlip)", "RandomFlip()()", "(1, 2)", "", "RandomFlip(,)",
                           "RandomFlip(prob=)", "RandomFlip((1]", "RandomCrop('a)"}) {
    EXPECT_THAT(refusal({text}), HasSubstr("config: INPUT.AUGMENTATIONS[0] must be a call such as RandomFlip()"))
        << text;
  }
  EXPECT_THAT(refusal({"RandomCrop(relative"}), HasSubstr("put each entry in quotes"));
}

TEST(AugmentationSpecs, ParametersMustFitEachOther) {
  EXPECT_THAT(refusal({"RandomFlip(vertical=True)"}),
              HasSubstr("RandomFlip must have either horizontal or vertical, got both; use two RandomFlip entries"));
  EXPECT_THAT(refusal({"RandomFlip(horizontal=False)"}), HasSubstr("got neither"));
  EXPECT_THAT(refusal({"RandomBrightness(2, 1)"}),
              HasSubstr("RandomBrightness.intensity_min must be at most intensity_max, got 2 and 1"));
  EXPECT_THAT(refusal({"ResizeScale(2, 1, 64, 64)"}), HasSubstr("ResizeScale.min_scale must be at most max_scale"));
  EXPECT_THAT(refusal({"ResizeShortestEdge([640, 672, 704])"}),
              HasSubstr("must be (lowest, highest) where sample_style is range, got [640, 672, 704]; "
                        "sample_style=choice takes any list"));
  EXPECT_THAT(refusal({"RandomCrop(relative, (1.5, 0.5))"}), HasSubstr("must be shares in (0, 1]"));
  EXPECT_THAT(refusal({"RandomCrop(absolute, (0.5, 5))"}), HasSubstr("must be at least one pixel"));
  EXPECT_THAT(refusal({"RandomCrop(absolute_range, (9, 5))"}), HasSubstr("must be (lowest, highest) in pixels"));
  EXPECT_THAT(refusal({"RandomRotation([1, 2, 3])"}), HasSubstr("RandomRotation.angle must be (lowest, highest)"));
  EXPECT_THAT(refusal({"RandomRotation([], sample_style=choice)"}), HasSubstr("must name at least one angle"));
  EXPECT_THAT(refusal({"Resize((1, 2, 3))"}), HasSubstr("must be (height, width) or one number, got 3 numbers"));
  EXPECT_THAT(refusal({"FixedSizeCrop(64)"}), HasSubstr("FixedSizeCrop.crop_size must be of length 2, got [64]"));
  EXPECT_THAT(refusal({"RandomApply(CopyPaste())"}), HasSubstr("CopyPaste cannot be inside RandomApply"));
  EXPECT_THAT(refusal({"RandomApply(RandomFlip)"}), HasSubstr("INPUT.AUGMENTATIONS[0] must be a call such as"));
  EXPECT_THAT(refusal({"RandomApply([])"}), HasSubstr("must be an augmentation or a list of them, got '[]'"));
  std::string deep = "RandomFlip()";
  for (int i = 0; i < 50; ++i) deep = "RandomApply(" + deep + ")";
  EXPECT_THAT(refusal({deep}), HasSubstr("must be an augmentation or a list of them"));
}

TEST(AugmentationSpecs, AreReadFromYamlAndTheCommandLineAndWrittenBack) {
  const ConfigFolder folder;
  const std::string yaml =
      "INPUT:\n  AUGMENTATIONS:\n"
      "    - ResizeScale(min_scale=0.1, max_scale=2.0, target_height=64, target_width=64)\n"
      "    - FixedSizeCrop((64, 64))\n"
      "    - \"RandomCrop('relative', [0.5, 0.5])\"\n";
  const Config config = load_config(folder.write("a.yaml", yaml));
  EXPECT_THAT(config.input.augmentations,
              ElementsAre("ResizeScale(min_scale=0.1, max_scale=2.0, target_height=64, target_width=64)",
                          "FixedSizeCrop((64, 64))", "RandomCrop('relative', [0.5, 0.5])"));
  const Config again = load_config(folder.write("b.yaml", dump_config(config)));
  EXPECT_EQ(again.input.augmentations, config.input.augmentations);
  for (const char* written :
       {"[RandomFlip(), RandomRotation([-10, 10])]", "(RandomFlip(), RandomRotation([-10, 10]))",
        "RandomFlip(), RandomRotation([-10, 10])", "('RandomFlip()', 'RandomRotation([-10, 10])')"}) {
    EXPECT_THAT(load_config("", {"INPUT.AUGMENTATIONS", written}).input.augmentations,
                ElementsAre("RandomFlip()", "RandomRotation([-10, 10])"))
        << written;
  }
  EXPECT_THAT(load_config("", {"INPUT.AUGMENTATIONS", "RandomFlip(0.5, True)"}).input.augmentations,
              ElementsAre("RandomFlip(0.5, True)"));
  EXPECT_THAT(load_config("", {"INPUT.AUGMENTATIONS", "[]"}).input.augmentations, ElementsAre());
}

TEST(AugmentationSpecs, MistakesAreFoundWhenTheConfigIsLoaded) {
  const ConfigFolder folder;
  EXPECT_THAT([&] { load_config(folder.write("a.yaml", "INPUT:\n  AUGMENTATIONS: [RandomFlip(0.5, True)]\n")); },
              testing::ThrowsMessage<ConfigError>(HasSubstr("put each entry in quotes")));
  EXPECT_THAT(
      [] {
        load_config("", {"INPUT.AUGMENTATIONS", "RandomFlip(3)"});
      },
      testing::ThrowsMessage<ConfigError>(HasSubstr("must be in [0, 1], got 3.0 (command line)")));
}

TEST(AugmentationSpecs, NoTextDoesMoreThanBeingRefused) {
  const std::vector<std::string> pieces = {"RandomFlip", "RandomApply", "RandomCrop", "(",  ")",    "[",    "]",
                                           ",",          "=",           "'",          "\"", "prob", "1",    "-",
                                           ".",          " ",           "relative",   "T.", "None", "1e999"};
  int accepted = 0;
  for (std::uint64_t trial = 0; trial < 20000; ++trial) {
    Random random(1, RandomPurpose::test, trial);
    std::string text = trial % 2 == 0 ? "RandomFlip(" : "";
    for (std::int64_t i = random.uniform_int(12); i >= 0; --i) {
      text += pieces[static_cast<std::size_t>(random.uniform_int(static_cast<std::int64_t>(pieces.size())))];
    }
    if (trial % 4 == 0) text += ")";
    try {
      parse_augmentations({text});
      ++accepted;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("INPUT.AUGMENTATIONS[0]"));
    }
  }
  EXPECT_GT(accepted, 0);
}

TEST(AugmentationCalls, AreSplitOutsideOfBracketsAndQuotes) {
  const auto call = parse_call("f(a, b=[1, (2)], 'x, y)', c = g(1, 2))");
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->name, "f");
  ASSERT_EQ(call->arguments.size(), 4u);
  EXPECT_EQ(call->arguments[1].name, "b");
  EXPECT_EQ(call->arguments[1].text, "[1, (2)]");
  EXPECT_EQ(call->arguments[2].text, "'x, y)'");
  EXPECT_EQ(call->arguments[3].name, "c");
  EXPECT_EQ(call->arguments[3].text, "g(1, 2)");
  EXPECT_EQ(leading_call_length("f(1, ')') g"), 9u);
  EXPECT_EQ(leading_call_length("f (1)"), 0u);
  EXPECT_FALSE(split_calls("[f(1), g(2)").has_value());
}

}  // namespace
}  // namespace fastermask
