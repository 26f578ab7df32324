// Pascal VOC folders: boxes, difficult objects, classes, splits, and what is said about broken ones.
#include "fastermask/data/voc_folder.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fastermask/data/catalog.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::message_of;
using testing_support::position_image;
using testing_support::TemporaryFolder;

void write_voc_file(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
  std::ofstream(folder / name, std::ios::binary) << text;
}

std::string voc_object(const std::string& name, int x1, int y1, int x2, int y2, int difficult) {
  return fmt::format(
      "<object><name>{}</name><pose>Left</pose><truncated>1</truncated><difficult>{}</difficult><bndbox><xmax>{}</xmax>"
      "<xmin>{}</xmin><ymin>{}</ymin><ymax>{}</ymax></bndbox><part><name>head</name></part></object>\n",
      name, difficult, x2, x1, y1, y2);
}

void write_voc_image(const TemporaryFolder& folder, const std::string& voc, const std::string& id,
                     const std::string& objects, const std::string& size = "<width>40</width><height>30</height>") {
  write_voc_file(folder, voc + "/Annotations/" + id + ".xml",
                 "<?xml version=\"1.0\"?>\n<annotation><filename>" + id + ".jpg</filename><size>" + size +
                     "<depth>3</depth></size>\n" + objects + "</annotation>\n");
  std::filesystem::create_directories(folder / (voc + "/JPEGImages"));
  write_image(folder / (voc + "/JPEGImages/" + id + ".jpg"), position_image(30, 40));
}

class VocFolder : public testing::Test {
 protected:
  VocFolder() {
    ::setenv("FASTERMASK_CACHE", (folder_ / "cache").c_str(), 1);
    write_voc_image(folder_, "VOC2007", "000007",
                    voc_object("dog", 1, 1, 40, 30, 0) + voc_object("cat", 5, 6, 8, 9, 1));
    write_voc_image(folder_, "VOC2007", "000005", voc_object("cat", 11, 12, 20, 22, 0), "");
    write_voc_image(folder_, "VOC2007", "000009", voc_object("ant", 1, 1, 2, 2, 0));
    write_voc_file(folder_, "VOC2007/ImageSets/Main/trainval.txt", "000007\r\n000005\n\n");
    write_voc_file(folder_, "VOC2007/ImageSets/Main/dog_val.txt", "000005 -1\n000007  1\n");
  }
  ~VocFolder() override { ::unsetenv("FASTERMASK_CACHE"); }

  std::string voc() const { return folder_ / "VOC2007"; }

  TemporaryFolder folder_;
};

TEST_F(VocFolder, BoxesBeginOnePixelEarlierAndDifficultObjectsStay) {
  const Dataset dataset = load_dataset(voc() + "@trainval");
  EXPECT_THAT(dataset.class_names, ElementsAre("ant", "cat", "dog")) << "of all splits, in alphabetical order";
  ASSERT_EQ(dataset.records.size(), 2u);
  EXPECT_EQ(dataset.records[0].id, 5);
  EXPECT_EQ(dataset.records[0].file_name, voc() + "/JPEGImages/000005.jpg");
  EXPECT_EQ(dataset.records[0].size(), (ImageSize{30, 40})) << "the XML has no size: that of the picture";
  const std::vector<Annotation> annotations = dataset.annotations(dataset.records[1]);
  ASSERT_EQ(annotations.size(), 2u);
  EXPECT_EQ(annotations[0].box, (Box{0, 0, 40, 30})) << "1 to W covers the picture";
  EXPECT_EQ(annotations[0].category, 2);
  EXPECT_EQ(annotations[1].box, (Box{4, 5, 8, 9}));
  EXPECT_FALSE(annotations[1].crowd);
  EXPECT_EQ(dataset.metric, DatasetMetric::voc_2007);
  const auto json = nlohmann::json::parse(voc_to_coco(voc(), "trainval"));
  EXPECT_EQ(json["annotations"][0]["difficult"], 0);
  EXPECT_EQ(json["annotations"][1]["difficult"], 1);
  EXPECT_EQ(load_dataset(voc() + "@dog_val").records.size(), 2u) << "lists of one class: every line is an image";
}

TEST_F(VocFolder, ClassesComeFromTheConfigOrFromALabelFile) {
  DatasetLoading loading;
  loading.class_names = {"dog", "cat"};
  EXPECT_THAT(load_dataset(voc() + "@trainval", loading).class_names, ElementsAre("dog", "cat"));
  EXPECT_EQ(
      load_dataset(voc() + "@trainval", loading).annotations(load_dataset(voc() + "@trainval").records[0])[0].category,
      1);
  write_voc_file(folder_, "VOC2007/labels.txt", "cat\ndog\nemu\n");
  EXPECT_THAT(load_dataset(voc() + "@trainval").class_names, ElementsAre("cat", "dog", "emu"));
}

TEST_F(VocFolder, TheBuiltinNamesHaveTheTwentyClasses) {
  ::setenv("DETECTRON2_DATASETS", folder_.path().c_str(), 1);
  const Dataset dataset = load_dataset("voc_2007_trainval");
  EXPECT_EQ(dataset.class_names, voc_class_names());
  EXPECT_EQ(dataset.num_classes(), 20);
  EXPECT_EQ(dataset.name, "voc_2007_trainval");
  EXPECT_EQ(dataset.annotations(dataset.records[0])[0].category, 7);
  EXPECT_THAT(message_of<DataError>([] { load_dataset("voc_2012_val"); }),
              HasSubstr("dataset: voc_2012_val: folder not found; looked for " + (folder_ / "VOC2012") + ", "));
  ::unsetenv("DETECTRON2_DATASETS");
}

TEST_F(VocFolder, NamesThatAreNotNumbersGetTheirPlaceAsId) {
  write_voc_image(folder_, "mine", "b", voc_object("dog", 1, 1, 4, 4, 0));
  write_voc_image(folder_, "mine", "a", voc_object("dog", 1, 1, 4, 4, 0));
  write_voc_file(folder_, "mine/ImageSets/Main/train.txt", "b\na\n");
  const Dataset dataset = load_dataset((folder_ / "mine") + "@train");
  EXPECT_EQ(dataset.records[0].id, 1);
  EXPECT_THAT(dataset.records[0].file_name, HasSubstr("b.jpg"));
  EXPECT_EQ(dataset.metric, DatasetMetric::voc);
}

TEST_F(VocFolder, ErrorsNameTheFileAndWhatIsWrong) {
  const auto error_of = [&](const std::string& split, const std::vector<std::string>& classes = {}) {
    return message_of<DataError>([&] { voc_to_coco(voc(), split, classes); });
  };
  EXPECT_EQ(error_of("trainva"), "voc: " + voc() +
                                     "/ImageSets/Main/trainva.txt: no such split; did you mean "
                                     "'trainval'?; " +
                                     voc() + "/ImageSets/Main has dog_val, trainval");
  EXPECT_EQ(error_of("trainval", {"cat", "god"}),
            "voc: " + voc() + "/Annotations/000007.xml: class 'dog' is not among cat, god; did you mean 'god'?");
  write_voc_file(folder_, "VOC2007/ImageSets/Main/none.txt", "000001\n");
  EXPECT_EQ(error_of("none", {"cat"}), "voc: " + voc() + "/Annotations/000001.xml: no such file");
  write_voc_file(folder_, "VOC2007/ImageSets/Main/twice.txt", "000007\n000007\n");
  EXPECT_THAT(error_of("twice"), HasSubstr("twice.txt: image 000007 is listed twice"));
  write_voc_file(folder_, "VOC2007/ImageSets/Main/empty.txt", "\n");
  EXPECT_THAT(error_of("empty"), HasSubstr("empty.txt: names no image"));
  write_voc_file(folder_, "VOC2007/Annotations/000005.xml",
                 "<annotation><object><name>cat</name></object></annotation>");
  EXPECT_EQ(error_of("trainval", {"cat", "dog"}),
            "voc: " + voc() + "/Annotations/000005.xml: object 1 (cat): has no <bndbox>");
  write_voc_file(folder_, "VOC2007/Annotations/000005.xml",
                 "<annotation><object><name>cat</name><bndbox><xmin>1x</xmin></bndbox></object></annotation>");
  EXPECT_EQ(error_of("trainval", {"cat", "dog"}),
            "voc: " + voc() + "/Annotations/000005.xml: object 1: <xmin> must be a number, got '1x'");
  write_voc_file(folder_, "VOC2007/Annotations/000005.xml", "<annotation><object>");
  EXPECT_THAT(error_of("trainval"), HasSubstr("000005.xml: broken XML at byte "));
  EXPECT_EQ(message_of<DataError>([&] { find_dataset((folder_ / "nowhere") + "@train"); }),
            "dataset: " + (folder_ / "nowhere") + ": no such folder (of " + (folder_ / "nowhere") + "@train)");
  EXPECT_THAT(message_of<DataError>([&] { find_dataset(folder_.path() + "@train"); }),
              HasSubstr("is not a Pascal VOC folder: it has no JPEGImages"));
}

}  // namespace
}  // namespace fastermask
