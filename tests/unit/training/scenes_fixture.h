// Tests that train a tiny Mask R-CNN on a few generated scenes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "fastermask/config/load.h"
#include "fastermask/data/synth.h"
#include "fastermask/training/hooks.h"
#include "fastermask/training/trainer.h"

namespace fastermask {

// A folder with a few scenes, and configs of a tiny Mask R-CNN (ResNet-50's blocks, a few channels wide) for them.
class TrainingOverScenes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = (std::filesystem::temp_directory_path() / ("fastermask-scenes-" + std::to_string(getpid()))).string();
    SynthOptions options;
    options.scene.size = {64, 64};
    options.train_images = 6;
    options.val_images = 1;
    options.image_ending = ".png";
    annotations_ = write_synthetic_dataset(folder_ + "/scenes", options)[0];
  }

  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static Config config_for(const std::string& output, const std::vector<std::string>& more = {}) {
    std::vector<std::string> overrides = {"OUTPUT_DIR",
                                          folder_ + "/" + output,
                                          "SEED",
                                          "7",
                                          "DATASETS.TEST",
                                          "()",
                                          "DATASETS.TRAIN",
                                          "('" + annotations_ + ":" + folder_ + "/scenes/images/train',)",
                                          "MODEL.ROI_HEADS.NUM_CLASSES",
                                          "5",
                                          "SOLVER.OPTIMIZER",
                                          "SGD",
                                          "SOLVER.LR_SCHEDULER_NAME",
                                          "WarmupMultiStepLR",
                                          "SOLVER.WEIGHT_DECAY",
                                          "0.0001",
                                          "MODEL.RESNETS.DEPTH",
                                          "50",
                                          "MODEL.RESNETS.NORM",
                                          "BN",
                                          "MODEL.RESNETS.RES2_OUT_CHANNELS",
                                          "32",
                                          "MODEL.RESNETS.STEM_OUT_CHANNELS",
                                          "8",
                                          "MODEL.RESNETS.WIDTH_PER_GROUP",
                                          "8",
                                          "MODEL.BACKBONE.FREEZE_AT",
                                          "0",
                                          "MODEL.FPN.NORM",
                                          "",
                                          "MODEL.FPN.OUT_CHANNELS",
                                          "16",
                                          "MODEL.ROI_BOX_HEAD.FC_DIM",
                                          "32",
                                          "MODEL.ROI_BOX_HEAD.NORM",
                                          "",
                                          "MODEL.ROI_MASK_HEAD.NUM_CONV",
                                          "1",
                                          "MODEL.ROI_MASK_HEAD.CONV_DIM",
                                          "16",
                                          "MODEL.ROI_MASK_HEAD.NORM",
                                          "",
                                          "INPUT.MIN_SIZE_TRAIN",
                                          "(64, 80)",
                                          "INPUT.MAX_SIZE_TRAIN",
                                          "96",
                                          "SOLVER.IMS_PER_BATCH",
                                          "2",
                                          "SOLVER.MAX_ITER",
                                          "4",
                                          "SOLVER.STEPS",
                                          "(3,)",
                                          "SOLVER.WARMUP_ITERS",
                                          "2",
                                          "SOLVER.BASE_LR",
                                          "0.01",
                                          "SOLVER.CHECKPOINT_PERIOD",
                                          "2",
                                          "MODEL.WEIGHTS",
                                          ""};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return load_config("tiny/synth_mask_rcnn_R_18_FPN.yaml", overrides);
  }

  // Trains to the end with checkpoints, and returns the model's values.
  static NamedArrays train(const Config& config, bool resume) {
    Trainer trainer(config, resume);
    trainer.add_hook(make_checkpoint_hook());
    trainer.train();
    return trainer.model().parameters().state();
  }

  inline static std::string folder_;
  inline static std::string annotations_;
};

}  // namespace fastermask
