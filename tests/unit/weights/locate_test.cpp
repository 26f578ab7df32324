// Weight files by name.
#include "fastermask/weights/locate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"

namespace fastermask {
namespace {

using testing::HasSubstr;

class Locate : public testing::Test {
 protected:
  void SetUp() override {
    write_file_atomic(folder_ + "/ImageNetPretrained/MSRA/R-50.pkl", "x");
    write_file_atomic(folder_ + "/R-101.pkl", "x");
    write_file_atomic(folder_ + "/137849600/model_final_f10217.pkl", "x");
    for (const char* variable : {"FASTERMASK_WEIGHTS", "FASTERMASK_DATASETS", "DETECTRON2_DATASETS"})
      unsetenv(variable);
  }
  void TearDown() override { unsetenv("FASTERMASK_WEIGHTS"); }

  static std::string error_of(const std::string& name, const std::vector<std::string>& folders = {}) {
    try {
      return "found " + locate_weights(name, folders);
    } catch (const WeightsError& error) {
      return error.what();
    }
  }

  const std::string folder_ = testing::TempDir() + "/fastermask_locate";
};

TEST_F(Locate, PathsThatExistAreTakenAsTheyAre) {
  EXPECT_EQ(locate_weights(folder_ + "/R-101.pkl"), folder_ + "/R-101.pkl");
  EXPECT_EQ(locate_weights("R-101.pkl", {folder_}), folder_ + "/R-101.pkl");
}

TEST_F(Locate, StoreNamesAreFoundBySubPathAndByFileName) {
  EXPECT_EQ(locate_weights("detectron2://ImageNetPretrained/MSRA/R-50.pkl", {folder_}),
            folder_ + "/ImageNetPretrained/MSRA/R-50.pkl");
  EXPECT_EQ(locate_weights("catalog://ImageNetPretrained/MSRA/R-50", {folder_}),
            folder_ + "/ImageNetPretrained/MSRA/R-50.pkl");
  EXPECT_EQ(locate_weights("detectron2://ImageNetPretrained/MSRA/R-101.pkl", {folder_}), folder_ + "/R-101.pkl");
  EXPECT_EQ(locate_weights("https://dl.fbaipublicfiles.com/detectron2/137849600/model_final_f10217.pkl", {folder_}),
            folder_ + "/137849600/model_final_f10217.pkl");
}

TEST_F(Locate, TheEnvironmentsFoldersComeFirst) {
  setenv("FASTERMASK_WEIGHTS", ("/nowhere:" + folder_).c_str(), 1);
  EXPECT_EQ(locate_weights("detectron2://ImageNetPretrained/MSRA/R-101.pkl"), folder_ + "/R-101.pkl");
}

TEST_F(Locate, TheDataFolderIsLookedThrough) {
  const std::string name = "detectron2://ImageNetPretrained/MSRA/R-101.pkl";
  const std::string parent = testing::TempDir() + "/fastermask_locate_data";
  write_file_atomic(parent + "/weights/R-101.pkl", "x");
  for (const char* variable : {"FASTERMASK_DATASETS", "DETECTRON2_DATASETS"}) {
    setenv(variable, folder_.c_str(), 1);
    EXPECT_EQ(locate_weights(name), folder_ + "/R-101.pkl");
    setenv(variable, parent.c_str(), 1);
    EXPECT_EQ(locate_weights(name), parent + "/weights/R-101.pkl");
    unsetenv(variable);
  }
}

TEST_F(Locate, ErrorsSayWhatToPutWhere) {
  EXPECT_EQ(
      error_of("detectron2://ImageNetPretrained/FAIR/X.pkl", {"/data"}),
      "weights: no local file for 'detectron2://ImageNetPretrained/FAIR/X.pkl'; looked for "
      "ImageNetPretrained/FAIR/X.pkl and X.pkl in /data, weights; download "
      "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/FAIR/X.pkl and put it at weights/X.pkl, or name "
      "its folder in $FASTERMASK_WEIGHTS");
  EXPECT_THAT(error_of("no/such.pth", {"/data"}), HasSubstr("'no/such.pth' is not there; looked in the current folder "
                                                            "and in /data, weights"));
  EXPECT_THAT(error_of(folder_), HasSubstr("is a folder; name a file in it"));
  EXPECT_THAT(error_of(""), HasSubstr("no file is named; set MODEL.WEIGHTS or pass --weights"));
}

// Last but one: an added folder stays.
TEST_F(Locate, AFolderThatAProgramAddsIsLookedThrough) {
  const std::string beside = testing::TempDir() + "/fastermask_locate_config";
  write_file_atomic(beside + "/mine.pth", "x");
  EXPECT_THAT(error_of("mine.pth"), HasSubstr("is not there"));
  add_weights_folder(beside);
  EXPECT_EQ(error_of("mine.pth"), "found " + beside + "/mine.pth");
}

TEST_F(Locate, AddressesAreDetectron2s) {
  EXPECT_EQ(weights_address("detectron2://a/b.pkl"), "https://dl.fbaipublicfiles.com/detectron2/a/b.pkl");
  EXPECT_EQ(weights_address("catalog://ImageNetPretrained/FAIR/R-50-GN"),
            "https://dl.fbaipublicfiles.com/detectron/ImageNetPretrained/47261647/R-50-GN.pkl");
  EXPECT_EQ(weights_address("a/b.pkl"), "");
}

}  // namespace
}  // namespace fastermask
