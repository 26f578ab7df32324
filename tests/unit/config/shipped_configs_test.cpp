// The YAML files in configs/.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "fastermask/base/text.h"
#include "fastermask/config/load.h"
#include "unit/config/config_files.h"

namespace fastermask {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> shipped_configs() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(FASTERMASK_SOURCE_DIR "/configs")) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

TEST(ShippedConfigs, AllLoad) {
  const std::vector<fs::path> files = shipped_configs();
  EXPECT_GE(files.size(), 79u);
  for (const fs::path& file : files) EXPECT_NO_THROW(load_config(file.string())) << file;
}

TEST(ShippedConfigs, KeepWhatTheirNamesSay) {
  for (const fs::path& file : shipped_configs()) {
    const std::string name = file.stem().string();
    if (starts_with(name, "Base-")) continue;
    const Config config = load_config(file.string());
    const ModelConfig& model = config.model;
    EXPECT_EQ(model.mask_on, name.find("mask_rcnn") != std::string::npos) << name;
    EXPECT_EQ(model.keypoint_on, name.find("keypoint") != std::string::npos) << name;
    EXPECT_EQ(model.roi_heads.name == "CascadeROIHeads", name.find("cascade") != std::string::npos) << name;
    EXPECT_EQ(model.fpn.in_features.empty(), name.find("FPN") == std::string::npos) << name;
    for (const char* depth : {"18", "50", "101", "152"}) {
      if (name.find(std::string("R_") + depth) == std::string::npos) continue;
      EXPECT_EQ(model.resnets.depth, std::atoi(depth)) << name;
    }
    if (name.find("_3x") != std::string::npos) {
      EXPECT_EQ(config.solver.max_iter, 270000) << name;
      EXPECT_EQ(config.solver.steps, (std::vector<int>{210000, 250000})) << name;
    }
    EXPECT_EQ(model.resnets.num_groups == 32, name.find("_32x8d") != std::string::npos) << name;
  }
}

TEST(ShippedConfigs, TinyOnesTrainFromScratchWithGroupNormalisation) {
  for (const fs::path& file : fs::directory_iterator(FASTERMASK_SOURCE_DIR "/configs/tiny")) {
    const ModelConfig model = load_config(file.string()).model;
    EXPECT_EQ(model.resnets.depth, 18) << file;
    EXPECT_EQ(model.resnets.norm, "GN") << file;
    EXPECT_EQ(model.resnets.res2_out_channels, 64) << file;
    EXPECT_FALSE(model.resnets.stride_in_1x1) << file;
    EXPECT_EQ(model.backbone.freeze_at, 0) << file;
    EXPECT_EQ(model.weights, "") << file;
    EXPECT_EQ(model.pixel_std, (std::vector<double>{57.375, 57.120, 58.395})) << file;
  }
}

TEST(ResolveConfigPath, FindsShippedConfigsByName) {
  const std::string full = FASTERMASK_SOURCE_DIR "/configs/COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml";
  for (const char* name : {"COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml", "COCO-Detection/faster_rcnn_R_50_FPN_1x",
                           "configs/COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml"}) {
    EXPECT_TRUE(fs::equivalent(resolve_config_path(name), full)) << name;
  }
  EXPECT_EQ(resolve_config_path(full), full);
}

TEST(ResolveConfigPath, LooksIntoTheUsersFolderFirst) {
  const testing_support::ConfigFolder folder;
  const std::string mine = folder.write("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml", "SEED: 3\n");
  setenv("FASTERMASK_CONFIGS", folder.path("").c_str(), 1);
  const std::string found = resolve_config_path("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml");
  unsetenv("FASTERMASK_CONFIGS");
  EXPECT_TRUE(fs::equivalent(found, mine));
}

}  // namespace
}  // namespace fastermask
