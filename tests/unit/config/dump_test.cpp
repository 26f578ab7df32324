// Writing configs, and what can be read back from that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/base/file.h"
#include "fastermask/base/text.h"
#include "fastermask/config/format.h"
#include "fastermask/config/load.h"
#include "unit/config/config_files.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::ConfigFolder;

TEST(DumpConfig, WritesSortedKeysInBlockStyle) {
  const Config config = load_config("", {"MODEL.ANCHOR_GENERATOR.SIZES", "[[32], [64, 90.5]]"});
  const std::string text = dump_config(config);
  EXPECT_EQ(text.substr(0, text.find("DATALOADER")), "CUDNN_BENCHMARK: false\n");
  EXPECT_THAT(text, HasSubstr("    SIZES:\n    - - 32\n    - - 64\n      - 90.5\n  BACKBONE:\n    FREEZE_AT: 2\n"));
  EXPECT_THAT(text, HasSubstr("  WEIGHT_DECAY_BIAS: null\n"));
  EXPECT_THAT(text, HasSubstr("  STEPS:\n  - 30000\n"));
  EXPECT_THAT(text, HasSubstr("DATASETS:\n  PRECOMPUTED_PROPOSAL_TOPK_TEST: 1000\n"));
  EXPECT_THAT(text, HasSubstr("  TRAIN: []\n"));
}

TEST(DumpConfig, LeavesOutKeysDetectron2LacksUnlessTheyAreSet) {
  EXPECT_THAT(dump_config(Config()), Not(HasSubstr("OPT_LEVEL")));
  EXPECT_THAT(dump_config(Config()), Not(HasSubstr("FIX_SHAPE")));
  const std::string text = dump_config(load_config("", {"OPT_LEVEL", "O2", "INPUT.FIX_SHAPE", "(1344, 1344)"}));
  EXPECT_THAT(text, HasSubstr("\nOPT_LEVEL: O2\n"));
  EXPECT_THAT(text, HasSubstr("  FIX_SHAPE:\n  - 1344\n  - 1344\n"));
}

TEST(DumpConfig, IsReadBackToTheSameConfig) {
  const ConfigFolder folder;
  const Config config = load_config(
      "Misc/cascade_mask_rcnn_R_50_FPN_3x.yaml",
      {"OUTPUT_DIR", "a: b # c", "MODEL.WEIGHTS", "it's \"1e3\"\t", "DATASETS.TRAIN", "('yes', '12', 'x.json:y', '')",
       "SOLVER.BASE_LR", "1e-7", "SOLVER.CLIP_GRADIENTS.NORM_TYPE", "inf", "TEST.EXPECTED_RESULTS",
       "[['bbox', 'AP', 38.5, 0.2]]", "LOSS_SCALE_VALUE", "1024.5", "SOLVER.WEIGHT_DECAY_BIAS", "1e-4", "AMP", "1"});
  const Config again = load_config(folder.write("dump.yaml", dump_config(config)));
  EXPECT_EQ(dump_config(again), dump_config(config));
  EXPECT_EQ(again.output_dir, "a: b # c");
  EXPECT_EQ(again.model.weights, "it's \"1e3\"\t");
  EXPECT_EQ(again.datasets.train, (std::vector<std::string>{"yes", "12", "x.json:y", ""}));
  EXPECT_EQ(again.solver.base_lr, 1e-7);
  EXPECT_EQ(again.solver.clip_gradients.norm_type, config.solver.clip_gradients.norm_type);
  EXPECT_EQ(again.test.expected_results, config.test.expected_results);
  EXPECT_EQ(again.loss_scale_value, "1024.5");
  EXPECT_EQ(again.solver.weight_decay_bias, config.solver.weight_decay_bias);
  EXPECT_EQ(again.amp, 1);
}

TEST(DumpConfig, WritesOnlyDifferencesWhenAsked) {
  EXPECT_EQ(dump_config_differences(Config()), "");
  EXPECT_EQ(dump_config_differences(load_config("", {"MODEL.RPN.NMS_THRESH", "0.8", "SEED", "1"})),
            "MODEL:\n  RPN:\n    NMS_THRESH: 0.8\nSEED: 1\n");
}

TEST(YamlNumber, IsWrittenAsPyYamlDoes) {
  EXPECT_EQ(yaml_number(1, false), "1.0");
  EXPECT_EQ(yaml_number(1, true), "1");
  EXPECT_EQ(yaml_number(0.0001, false), "0.0001");
  EXPECT_EQ(yaml_number(0.00001, false), "1.0e-05");
  EXPECT_EQ(yaml_number(1.25e-7, false), "1.25e-07");
  EXPECT_EQ(yaml_number(1e16, false), "1.0e+16");
  EXPECT_EQ(yaml_number(0.1 + 0.2, false), "0.30000000000000004");
  EXPECT_EQ(yaml_number(-1.0 / 0.0, false), "-.inf");
}

TEST(YamlWord, IsQuotedWhenYamlWouldReadSomethingElse) {
  for (const char* plain : {"R-50.pkl", "detectron2://a/b.pkl", "./output", "a b", "x.json:images", "O2", "3x", "p2"}) {
    EXPECT_EQ(yaml_word(plain), plain);
  }
  for (const char* quoted : {"", "true", "No", "null", "~", "12", "1.5", "-.inf", "0x1F", "a: b", "a #b", "*x", "- a",
                             "'a'", "@a", "a:", " a", "2020-01-01", "1:30", "---", "="}) {
    EXPECT_EQ(yaml_word(quoted).front(), '\'') << quoted;
  }
  EXPECT_EQ(yaml_word("it's"), "it's");
  EXPECT_EQ(yaml_word("'a'"), "'''a'''");
  EXPECT_EQ(yaml_word("a\nb"), "\"a\\nb\"");
}

TEST(ConfigReference, IsTheSameAsTheDocumentedOne) {
  EXPECT_TRUE(read_file(FASTERMASK_SOURCE_DIR "/docs/config.md") == config_reference_markdown())
      << "docs/config.md is out of date; make it anew with\n  fastermask info config --markdown > docs/config.md";
}

TEST(ConfigReference, DescribesEveryKeyInASentence) {
  for (const KeyInfo& key : all_config_keys()) {
    EXPECT_GT(key.doc.size(), 5u) << key.name;
    EXPECT_TRUE(key.doc.back() != '.' || ends_with(key.doc, "...")) << key.name;
    EXPECT_THAT(key.doc, Not(HasSubstr("|"))) << key.name;
  }
}

}  // namespace
}  // namespace fastermask
