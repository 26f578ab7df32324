// What is said about wrong configs, word for word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fastermask/config/load.h"
#include "unit/config/config_files.h"

namespace fastermask {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_support::config_error_of;
using testing_support::ConfigFolder;

std::string override_error(const std::vector<std::string>& words) {
  return config_error_of([&] { load_config("", words); });
}

std::string file_error(const std::string& path) {
  return config_error_of([&] { load_config(path); });
}

TEST(ConfigErrors, NameTheRangeTheValueAndThePlace) {
  const ConfigFolder folder;
  const std::string path = folder.write("my.yaml", "MODEL:\n  RPN:\n    NMS_THRESH: 1.7\n");
  EXPECT_EQ(file_error(path), "config: MODEL.RPN.NMS_THRESH must be in [0, 1], got 1.7 (" + path + ":3)");
  EXPECT_EQ(override_error({"MODEL.RPN.NMS_THRESH", "-1"}),
            "config: MODEL.RPN.NMS_THRESH must be in [0, 1], got -1.0 (command line)");
  EXPECT_EQ(override_error({"SOLVER.IMS_PER_BATCH", "0"}),
            "config: SOLVER.IMS_PER_BATCH must be at least 1, got 0 (command line)");
  EXPECT_EQ(override_error({"MODEL.PIXEL_STD", "(1, 0, 1)"}),
            "config: MODEL.PIXEL_STD must be above 0, got [1.0, 0.0, 1.0] (command line)");
  EXPECT_EQ(override_error({"MODEL.RESNETS.DEPTH", "49"}),
            "config: MODEL.RESNETS.DEPTH must be 18, 34, 50, 101 or 152, got 49 (command line)");
  EXPECT_EQ(override_error({"MODEL.RPN.NMS_THRESH", "nan"}),
            "config: MODEL.RPN.NMS_THRESH must be in [0, 1], got .nan (command line)");
}

TEST(ConfigErrors, NameTheType) {
  EXPECT_EQ(override_error({"SOLVER.MAX_ITER", "1.5"}),
            "config: SOLVER.MAX_ITER must be an integer, got 1.5 (command line)");
  EXPECT_EQ(override_error({"SOLVER.MAX_ITER", "3000000000"}),
            "config: SOLVER.MAX_ITER must be an integer, got 3000000000 (command line)");
  EXPECT_EQ(override_error({"SOLVER.BASE_LR", "high"}),
            "config: SOLVER.BASE_LR must be a number, got 'high' (command line)");
  EXPECT_EQ(override_error({"MODEL.MASK_ON", "1"}),
            "config: MODEL.MASK_ON must be True or False, got 1 (command line)");
  EXPECT_EQ(override_error({"SOLVER.STEPS", "(1, 'a')"}),
            "config: SOLVER.STEPS must be a list of integers, got '(1, 'a')' (command line); write it as a Python "
            "literal: '(\"a\", \"b\")' or '(1, 2)'");
  EXPECT_EQ(override_error({"DATASETS.TRAIN", "(a.json:images,)"}),
            "config: DATASETS.TRAIN must be a list of words, got '(a.json:images,)' (command line); write it as a "
            "Python literal: '(\"a\", \"b\")' or '(1, 2)'");
  EXPECT_EQ(override_error({"TEST.EXPECTED_RESULTS", "[['bbox', 'AP']]"}).substr(0, 88),
            "config: TEST.EXPECTED_RESULTS must be a list of [task, metric, value, tolerance], got '[");
}

TEST(ConfigErrors, NameMappingsAndSectionsInTheWrongPlace) {
  const ConfigFolder folder;
  const std::string mapping = folder.write("a.yaml", "SOLVER:\n  STEPS: {A: 1}\n");
  EXPECT_EQ(file_error(mapping), "config: SOLVER.STEPS must be a list of integers, got a mapping (" + mapping + ":2)");
  EXPECT_EQ(override_error({"MODEL.RPN", "3"}), "config: MODEL.RPN is a section of keys, not a value (command line)");
  const std::string list = folder.write("b.yaml", "- MODEL\n");
  EXPECT_EQ(file_error(list), "config: a config must be a mapping of keys (" + list + ":1)");
  const std::string inner = folder.write("c.yaml", "SOLVER:\n  STEPS: [{A: 1}]\n");
  EXPECT_EQ(file_error(inner), "config: a list may not hold mappings (" + inner + ":2)");
}

TEST(ConfigErrors, SuggestTheKeyThatWasMeant) {
  const ConfigFolder folder;
  const std::string path = folder.write("my.yaml", "MODEL:\n  RPN:\n    NMS_TRESHOLD: 0.5\n");
  EXPECT_EQ(file_error(path), "config: unknown key 'MODEL.RPN.NMS_TRESHOLD' (" + path +
                                  ":3); did you mean 'MODEL.RPN.NMS_THRESH'?");
  const auto suggested = [](const std::string& key) {
    const std::string message = override_error({key, "1"});
    const std::size_t at = message.find("; did you mean '");
    return at == std::string::npos ? "" : message.substr(at + 16, message.size() - at - 18);
  };
  EXPECT_EQ(suggested("MODEL.RNP.NMS_THRESH"), "MODEL.RPN.NMS_THRESH");
  EXPECT_EQ(suggested("NMS_THRESH"), "MODEL.RPN.NMS_THRESH");
  EXPECT_EQ(suggested("NMS_TRESH"), "MODEL.RPN.NMS_THRESH");
  EXPECT_EQ(suggested("model.rpn.nms_thresh"), "MODEL.RPN.NMS_THRESH");
  EXPECT_EQ(suggested("SOLVER.LEARNING_RATE_OF_SGD_XYZ"), "");
}

TEST(ConfigErrors, ListTheKeysThatGoOnOrEndLikeTheUnknownOne) {
  EXPECT_THAT(override_error({"INPUT.MIN_SIZE", "1"}),
              EndsWith("; there are INPUT.MIN_SIZE_TRAIN, INPUT.MIN_SIZE_TRAIN_SAMPLING, INPUT.MIN_SIZE_TEST"));
  EXPECT_THAT(override_error({"NUM_CONV", "1"}),
              EndsWith("; there are MODEL.ROI_BOX_HEAD.NUM_CONV, MODEL.ROI_MASK_HEAD.NUM_CONV"));
  EXPECT_EQ(override_error({"NAME", "1"}), "config: unknown key 'NAME' (command line)");
}

TEST(ConfigErrors, SayWhatIsNotSupported) {
  EXPECT_EQ(override_error({"MODEL.META_ARCHITECTURE", "RetinaNet"}),
            "config: MODEL.META_ARCHITECTURE: not supported: RetinaNet (FasterMask has GeneralizedRCNN and "
            "ProposalNetwork) (command line)");
  EXPECT_EQ(override_error({"MODEL.PROPOSAL_GENERATOR.NAME", "RRPN"}),
            "config: MODEL.PROPOSAL_GENERATOR.NAME: not supported: RRPN (FasterMask has RPN and PrecomputedProposals) "
            "(command line)");
  EXPECT_EQ(override_error({"MODEL.RETINANET.NUM_CLASSES", "3"}),
            "config: MODEL.RETINANET.NUM_CLASSES: not supported: 3 (FasterMask does not have RetinaNet) "
            "(command line)");
  EXPECT_THAT(override_error({"MODEL.BACKBONE.NAME", "build_vit"}), HasSubstr("not supported: build_vit"));
  EXPECT_THAT(override_error({"MODEL.ROI_HEADS.NAME", "RROIHeads"}), HasSubstr("not supported: RROIHeads"));
  EXPECT_THAT(override_error({"MODEL.ANCHOR_GENERATOR.ANGLES", "[[0]]"}), HasSubstr("does not have rotated boxes"));
}

TEST(ConfigErrors, SuggestTheChoiceThatWasMeant) {
  EXPECT_EQ(override_error({"INPUT.CROP.TYPE", "relativ"}),
            "config: INPUT.CROP.TYPE must be relative, relative_range, absolute or absolute_range, got relativ "
            "(command line); did you mean 'relative'?");
}

TEST(ConfigErrors, ComplainAboutUnpairedOverrides) {
  EXPECT_EQ(override_error({"SEED", "1", "SOLVER.STEPS"}),
            "config: overrides are pairs KEY VALUE, but the last, 'SOLVER.STEPS', has no value");
  EXPECT_EQ(override_error({"SEED=1"}), "config: overrides are written KEY VALUE, got 'SEED=1'; write 'SEED 1'");
}

TEST(ConfigErrors, NameMissingFilesAndTheNearestOne) {
  EXPECT_EQ(file_error("COCO-Detection/faster_rcnn_R50_FPN_1x.yaml"),
            "config: no such file: COCO-Detection/faster_rcnn_R50_FPN_1x.yaml; did you mean "
            "'COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml'?");
  EXPECT_EQ(file_error("/"), "config: / is a folder, not a YAML file");
}

TEST(ConfigErrors, NameBrokenYamlAndItsLine) {
  const ConfigFolder folder;
  const std::string path = folder.write("a.yaml", "MODEL:\n  WEIGHTS: [a\nSEED: 1\n");
  EXPECT_THAT(file_error(path), StartsWith("config: not valid YAML: "));
  EXPECT_THAT(file_error(path), HasSubstr(path + ":"));
}

TEST(ConfigErrors, RefuseTagsThatMakeObjects) {
  const ConfigFolder folder;
  const std::string path = folder.write("a.yaml", "MODEL:\n  WEIGHTS: !!python/object/apply:os.system ['ls']\n");
  EXPECT_EQ(file_error(path),
            "config: YAML tag 'python/object/apply:os.system' is not accepted; values must be plain (" + path + ":2)");
}

TEST(ConfigErrors, NameBasesThatAreMissingOrGoInACircle) {
  const ConfigFolder folder;
  const std::string missing = folder.write("a.yaml", "SEED: 1\n_BASE_: no.yaml\n");
  EXPECT_EQ(file_error(missing),
            "config: _BASE_ no.yaml is not a file: " + folder.path("no.yaml") + " (" + missing + ":2)");
  const std::string one = folder.write("one.yaml", "_BASE_: two.yaml\n");
  const std::string two = folder.write("two.yaml", "_BASE_: one.yaml\n");
  EXPECT_EQ(file_error(one),
            "config: _BASE_ goes in a circle: " + one + " -> " + two + " -> " + one + " (" + two + ":1)");
  const std::string strange = folder.write("s.yaml", "_BASE_: {a: b}\n");
  EXPECT_EQ(file_error(strange), "config: _BASE_ must be a file name or a list of them (" + strange + ":1)");
}

TEST(ConfigErrors, NameOldNamesInNewFilesAndNewerVersions) {
  const ConfigFolder folder;
  const std::string path = folder.write("a.yaml", "VERSION: 2\nMODEL: {WEIGHT: a}\n");
  EXPECT_EQ(file_error(path), "config: unknown key 'MODEL.WEIGHT' (" + path +
                                  ":2); it is called 'MODEL.WEIGHTS' since VERSION 2");
  const std::string newer = folder.write("b.yaml", "VERSION: 3\n");
  EXPECT_EQ(file_error(newer),
            "config: VERSION must be at most 2, got 3 (" + newer + ":1); this FasterMask is older than the config");
}

TEST(ConfigErrors, NameKeysThatContradictEachOther) {
  EXPECT_EQ(override_error({"MODEL.PIXEL_STD", "1.0"}),
            "config: MODEL.PIXEL_STD must have as many entries as MODEL.PIXEL_MEAN, 3, got 1 (command line)");
  EXPECT_EQ(override_error({"MODEL.PIXEL_MEAN", "[1.0]", "MODEL.PIXEL_STD", "[1.0]"}),
            "config: MODEL.PIXEL_MEAN must have 3 entries for INPUT.FORMAT BGR, got 1 (command line)");
  EXPECT_EQ(override_error({"MODEL.RPN.IOU_LABELS", "(0, 1)"}),
            "config: MODEL.RPN.IOU_LABELS must have one entry more than MODEL.RPN.IOU_THRESHOLDS, 3, got 2 (command "
            "line)");
  EXPECT_EQ(override_error({"MODEL.ROI_HEADS.IOU_THRESHOLDS", "(0.3, 0.5)"}),
            "config: MODEL.ROI_HEADS.IOU_LABELS must have one entry more than MODEL.ROI_HEADS.IOU_THRESHOLDS, 3, got "
            "2");
  EXPECT_EQ(override_error({"MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS", "((1, 1, 1, 1),)"}),
            "config: MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS must have as many entries as "
            "MODEL.ROI_BOX_CASCADE_HEAD.IOUS, 3, got 1 (command line)");
  EXPECT_EQ(override_error({"INPUT.MIN_SIZE_TRAIN_SAMPLING", "range", "INPUT.MIN_SIZE_TRAIN", "640"}),
            "config: INPUT.MIN_SIZE_TRAIN must have 2 entries when INPUT.MIN_SIZE_TRAIN_SAMPLING is range, got 1 "
            "(command line)");
  EXPECT_EQ(override_error({"INPUT.FIX_SHAPE", "(1344,)"}),
            "config: INPUT.FIX_SHAPE must be (width, height) or empty, got 1 numbers (command line)");
  EXPECT_EQ(override_error({"INPUT.CROP.SIZE", "(100, 200)"}),
            "config: INPUT.CROP.SIZE must be in (0, 1] when INPUT.CROP.TYPE is relative_range, got [100, 200] "
            "(command line)");
  EXPECT_EQ(override_error({"MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS", "(1, 1)"}),
            "config: MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS must be of length 4, got [1.0, 1.0] (command line)");
  EXPECT_EQ(override_error({"INPUT.MIN_SIZE_TRAIN", "()"}),
            "config: INPUT.MIN_SIZE_TRAIN must be not empty, got [] (command line)");
}

TEST(ConfigErrors, StopAliasesThatMultiply) {
  const ConfigFolder folder;
  std::string text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string inner = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + inner;
    for (int k = 0; k < 9; ++k) text += ", " + inner;
    text += "]\n";
  }
  EXPECT_THAT(file_error(folder.write("bomb.yaml", text)), StartsWith("config: more than 100000 values ("));
}

TEST(CheckConfig, FindsValuesThatCodeSetWrongly) {
  Config config;
  check_config(config);
  config.model.roi_heads.num_classes = 0;
  EXPECT_EQ(config_error_of([&] { check_config(config); }),
            "config: MODEL.ROI_HEADS.NUM_CLASSES must be at least 1, got 0");
}

}  // namespace
}  // namespace fastermask
