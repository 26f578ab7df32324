// Reading configs: YAML, _BASE_, overrides, conversions.
#include "fastermask/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unit/config/config_files.h"

namespace fastermask {
namespace {

using testing_support::ConfigFolder;

TEST(LoadConfig, WithoutAFileGivesDetectron2Defaults) {
  const Config config = load_config("");
  EXPECT_EQ(config.model.meta_architecture, "GeneralizedRCNN");
  EXPECT_EQ(config.model.device, "auto");
  EXPECT_EQ(config.model.rpn.pre_nms_topk_train, 12000);
  EXPECT_EQ(config.model.anchor_generator.sizes, (std::vector<std::vector<double>>{{32, 64, 128, 256, 512}}));
  EXPECT_EQ(config.solver.steps, std::vector<int>{30000});
  EXPECT_FALSE(config.solver.weight_decay_bias.has_value());
  EXPECT_EQ(config.seed, -1);
  EXPECT_TRUE(config.input.fix_shape.empty());
}

TEST(LoadConfig, ReadsYaml) {
  const ConfigFolder folder;
  const Config config = load_config(folder.write("a.yaml",
                                                 "MODEL:\n"
                                                 "  MASK_ON: True\n"
                                                 "  RPN: {NMS_THRESH: 0.8, CONV_DIMS: [64, 64]}\n"
                                                 "  ANCHOR_GENERATOR:\n"
                                                 "    SIZES: [[32], [64]]\n"
                                                 "SOLVER: {BASE_LR: 1, WEIGHT_DECAY_BIAS: 0.1}\n"
                                                 "OUTPUT_DIR: 2024\n"
                                                 "VERSION: 2\n"));
  EXPECT_TRUE(config.model.mask_on);
  EXPECT_DOUBLE_EQ(config.model.rpn.nms_thresh, 0.8);
  EXPECT_EQ(config.model.rpn.conv_dims, (std::vector<int>{64, 64}));
  EXPECT_EQ(config.model.anchor_generator.sizes, (std::vector<std::vector<double>>{{32}, {64}}));
  EXPECT_DOUBLE_EQ(config.solver.base_lr, 1.0);
  EXPECT_DOUBLE_EQ(config.solver.weight_decay_bias.value(), 0.1);
  EXPECT_EQ(config.output_dir, "2024");
}

TEST(LoadConfig, ReadsTuplesHoweverTheyAreWritten) {
  const ConfigFolder folder;
  for (const char* written : {"(640, 800)", "\"(640, 800)\"", "'640, 800'", "[640, 800]",
                              "!!python/tuple [640, 800]", "!!python/tuple\n  - 640\n  - 800", "\n  - 640\n  - 800"}) {
    const std::string path = folder.write("t.yaml", std::string("INPUT:\n  MIN_SIZE_TRAIN: ") + written + "\n");
    EXPECT_EQ(load_config(path).input.min_size_train, (std::vector<int>{640, 800})) << written;
  }
}

TEST(LoadConfig, ReadsTuplesOfWordsAndNestedTuples) {
  const ConfigFolder folder;
  const Config config = load_config(
      folder.write("t.yaml",
                   "DATASETS:\n"
                   "  TRAIN: (\"coco_2017_train\",)\n"
                   "  TEST: ('a.json:images', 'b.json:images')\n"
                   "MODEL:\n"
                   "  ROI_BOX_CASCADE_HEAD:\n"
                   "    IOUS: (0.5, 0.6)\n"
                   "    BBOX_REG_WEIGHTS: ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0),)\n"
                   "TEST:\n"
                   "  EXPECTED_RESULTS: [['bbox', 'AP', 38.5, 0.2], [\"segm\", \"AP\", 35, 1]]\n"));
  EXPECT_EQ(config.datasets.train, std::vector<std::string>{"coco_2017_train"});
  EXPECT_EQ(config.datasets.test, (std::vector<std::string>{"a.json:images", "b.json:images"}));
  EXPECT_EQ(config.model.roi_box_cascade_head.bbox_reg_weights[1], (std::vector<double>{20, 20, 10, 10}));
  ASSERT_EQ(config.test.expected_results.size(), 2u);
  EXPECT_EQ(config.test.expected_results[1], (ExpectedResult{"segm", "AP", 35, 1}));
}

TEST(LoadConfig, TakesOneValueForAListOfOneAndAFlatListForAllLevels) {
  const Config config = load_config("", {"INPUT.MIN_SIZE_TRAIN", "512", "DATASETS.TRAIN", "my_set", "SOLVER.STEPS",
                                         "()", "MODEL.ANCHOR_GENERATOR.SIZES", "[32, 64]"});
  EXPECT_EQ(config.input.min_size_train, std::vector<int>{512});
  EXPECT_EQ(config.datasets.train, std::vector<std::string>{"my_set"});
  EXPECT_TRUE(config.solver.steps.empty());
  EXPECT_EQ(config.model.anchor_generator.sizes, (std::vector<std::vector<double>>{{32, 64}}));
}

TEST(LoadConfig, ReadsOverridesAsPythonLiterals) {
  const Config config =
      load_config("", {"SOLVER.BASE_LR", "1e-3", "SEED", "-1", "MODEL.MASK_ON", "True", "OUTPUT_DIR", "'./a b'",
                       "DATASETS.TRAIN", "(\"a.json:images\",)", "SOLVER.MAX_ITER", "1_000", "MODEL.WEIGHTS", "",
                       "SOLVER.CLIP_GRADIENTS.NORM_TYPE", "inf", "SOLVER.WEIGHT_DECAY_BIAS", "None"});
  EXPECT_DOUBLE_EQ(config.solver.base_lr, 1e-3);
  EXPECT_EQ(config.seed, -1);
  EXPECT_TRUE(config.model.mask_on);
  EXPECT_EQ(config.output_dir, "./a b");
  EXPECT_EQ(config.datasets.train, std::vector<std::string>{"a.json:images"});
  EXPECT_EQ(config.solver.max_iter, 1000);
  EXPECT_EQ(config.model.weights, "");
  EXPECT_TRUE(std::isinf(config.solver.clip_gradients.norm_type));
  EXPECT_FALSE(config.solver.weight_decay_bias.has_value());
}

TEST(LoadConfig, TheLastOverrideWinsOverEarlierOnesTheFileAndItsBase) {
  const ConfigFolder folder;
  folder.write("base/base.yaml", "SOLVER: {MAX_ITER: 1, BASE_LR: 0.1, GAMMA: 0.2}\n");
  const std::string path = folder.write("a.yaml", "_BASE_: base/base.yaml\nSOLVER: {MAX_ITER: 2, BASE_LR: 0.2}\n");
  const Config config = load_config(path, {"SOLVER.MAX_ITER", "3", "SOLVER.MAX_ITER", "4"});
  EXPECT_EQ(config.solver.max_iter, 4);
  EXPECT_DOUBLE_EQ(config.solver.base_lr, 0.2);
  EXPECT_DOUBLE_EQ(config.solver.gamma, 0.2);
}

TEST(LoadConfig, FollowsBasesRelativeToTheFileThatNamesThem) {
  const ConfigFolder folder;
  folder.write("x/root.yaml", "SEED: 5\nVIS_PERIOD: 7\n");
  folder.write("x/y/middle.yaml", "_BASE_: ../root.yaml\nSEED: 6\n");
  EXPECT_EQ(load_config(folder.write("z/leaf.yaml", "_BASE_: \"../x/y/middle.yaml\"\n")).seed, 6);
  EXPECT_EQ(load_config(folder.path("z/leaf.yaml")).vis_period, 7);
  const std::string absolute = folder.write("absolute.yaml", "_BASE_: " + folder.path("x/root.yaml") + "\n");
  EXPECT_EQ(load_config(absolute).seed, 5);
}

TEST(LoadConfig, TakesAListOfBasesInOrder) {
  const ConfigFolder folder;
  folder.write("one.yaml", "SEED: 1\nVIS_PERIOD: 1\n");
  folder.write("two.yaml", "SEED: 2\n");
  const Config config = load_config(folder.write("a.yaml", "_BASE_: [one.yaml, two.yaml]\n"));
  EXPECT_EQ(config.seed, 2);
  EXPECT_EQ(config.vis_period, 1);
}

TEST(LoadConfig, ABaseMayHoldWhatTheFileReplaces) {
  const ConfigFolder folder;
  folder.write("base.yaml", "MODEL: {META_ARCHITECTURE: RetinaNet}\n");
  const std::string path = folder.write("a.yaml", "_BASE_: base.yaml\nMODEL: {META_ARCHITECTURE: GeneralizedRCNN}\n");
  EXPECT_EQ(load_config(path).model.meta_architecture, "GeneralizedRCNN");
}

TEST(LoadConfig, ReadsVersionOneNames) {
  const ConfigFolder folder;
  const std::string old_names = "MODEL:\n  WEIGHT: x.pkl\n  RPN: {ANCHOR_SIZES: [[16]]}\nTEST: {AUG_ON: true}\n";
  for (const char* version : {"", "VERSION: 1\n"}) {
    const Config config = load_config(folder.write("old.yaml", old_names + version));
    EXPECT_EQ(config.model.weights, "x.pkl");
    EXPECT_EQ(config.model.anchor_generator.sizes, (std::vector<std::vector<double>>{{16}}));
    EXPECT_TRUE(config.test.aug.enabled);
    EXPECT_EQ(config.version, 2);
  }
}

TEST(LoadConfig, AcceptsForeignSectionsAtTheirDefaultsAndEmptySections) {
  const ConfigFolder folder;
  const std::string path = folder.write("a.yaml",
                                        "MODEL:\n"
                                        "  RETINANET: {NUM_CLASSES: 80, PRIOR_PROB: 0.01}\n"
                                        "  RPN:\n"
                                        "SOLVER: {}\n");
  EXPECT_EQ(load_config(path).model.retinanet.num_classes, 80);
}

TEST(LoadConfig, AcceptsPortKeys) {
  const Config config = load_config("", {"AMP", "1", "OPT_LEVEL", "O2", "LOSS_SCALE_VALUE", "64", "INPUT.FIX_SHAPE",
                                         "(1344, 1344)", "MODEL.DEVICE", "npu:0", "DEBUG_MODE", "1"});
  EXPECT_EQ(config.amp, 1);
  EXPECT_EQ(config.opt_level, "O2");
  EXPECT_EQ(config.loss_scale_value, "64");
  EXPECT_EQ(config.input.fix_shape, (std::vector<int>{1344, 1344}));
  EXPECT_EQ(config.model.device, "npu:0");
}

TEST(MergeOverrides, ChangesNothingWhenAValueIsWrong) {
  Config config;
  config.model.rpn.nms_thresh = 0.6;
  EXPECT_THROW(merge_overrides(config, {"SEED", "4", "MODEL.RPN.NMS_THRESH", "2"}), ConfigError);
  EXPECT_EQ(config.seed, -1);
  merge_overrides(config, {"SEED", "4"});
  EXPECT_EQ(config.seed, 4);
  EXPECT_DOUBLE_EQ(config.model.rpn.nms_thresh, 0.6);
}

}  // namespace
}  // namespace fastermask
