// labelme folders and VIA files as COCO JSON: shapes, instances, classes, where pictures are, and what is said about
// broken ones.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fastermask/data/labelme_folder.h"
#include "fastermask/data/via_project.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::message_of;
using testing_support::position_image;
using testing_support::TemporaryFolder;

class DrawnDatasets : public testing::Test {
 protected:
  DrawnDatasets() {
    make_folders(folder_ / "images");
    for (const char* name : {"images/a.jpg", "images/b.jpg"}) write_image(folder_ / name, position_image(30, 40));
  }

  void write(const std::string& name, const json& document) { write_file_atomic(folder_ / name, document.dump()); }

  // labels/NAME with these shapes, whose picture is a.jpg unless said otherwise.
  void write_labelme(const std::string& name, const std::vector<json>& shapes,
                     const std::string& picture = "..\\images\\a.jpg") {
    write("labels/" + name, {{"version", "5.4.1"}, {"imagePath", picture}, {"shapes", shapes}});
  }

  json converted_labels(const std::vector<std::string>& class_names = {}) {
    return json::parse(labelme_to_coco(folder_ / "labels", "", class_names).json);
  }

  json converted_via(const json& document, const std::string& attribute = "",
                     const std::vector<std::string>& class_names = {}) {
    write("via.json", document);
    return json::parse(via_to_coco(folder_ / "via.json", folder_ / "images", class_names, attribute).json);
  }

  TemporaryFolder folder_;
};

json shape(const std::string& label, const std::string& type, const json& points, const json& group = nullptr) {
  return {{"label", label}, {"points", points}, {"shape_type", type}, {"group_id", group}};
}

const json kTriangle = {{2, 3}, {12, 3}, {2, 13}};
const json kBox = {{20, 22}, {10, 2}};  // from its lower right corner

TEST_F(DrawnDatasets, LabelmesShapesOfOneGroupAreOneInstanceAndOthersStandAlone) {
  write_labelme("a.json", {shape("dog", "polygon", kTriangle, 1), shape("dog", "rectangle", kBox, 1),
                           shape("cat", "polygon", kTriangle, 1), shape("dog", "polygon", kTriangle)});
  const json coco = converted_labels();
  EXPECT_EQ(coco["images"][0]["file_name"], "../images/a.jpg") << "seen from the folder, written on Windows";
  EXPECT_EQ(coco["images"][0]["width"], 40) << "of the picture, as the JSON says nothing";
  EXPECT_EQ(coco["categories"][0]["name"], "cat");
  ASSERT_EQ(coco["annotations"].size(), 3u);
  EXPECT_EQ(coco["annotations"][0]["category_id"], 2);
  EXPECT_EQ(coco["annotations"][0]["segmentation"].size(), 2u);
  EXPECT_EQ(coco["annotations"][0]["bbox"], json({2.0, 2.0, 18.0, 20.0}));
  EXPECT_EQ(coco["annotations"][1]["category_id"], 1);
  EXPECT_EQ(coco["annotations"][2]["bbox"], json({2.0, 3.0, 10.0, 10.0}));
}

TEST_F(DrawnDatasets, BoxesAloneHaveNoMasksAndAmongOutlinesAreTheirOwn) {
  write_labelme("a.json", {shape("dog", "rectangle", kBox)});
  json coco = converted_labels();
  EXPECT_FALSE(coco["annotations"][0].contains("segmentation"));
  EXPECT_EQ(coco["annotations"][0]["area"], 200.0);
  write_labelme("b.json", {shape("dog", "circle", {{20, 15}, {20, 25}})});
  const DrawnDataset set = labelme_to_coco(folder_ / "labels");
  EXPECT_EQ(set.boxes_as_masks, 1u);
  coco = json::parse(set.json);
  EXPECT_EQ(coco["annotations"][0]["segmentation"],
            json::array({json::array({10.0, 2.0, 20.0, 2.0, 20.0, 22.0, 10.0, 22.0})}));
  EXPECT_NEAR(coco["annotations"][1]["area"].get<double>(), 314, 8) << "a circle of radius 10";
}

std::string base64(const std::string& bytes) {
  static const char* const kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kDigits[bits << (6 - count) & 63];
  return text + "=";
}

TEST_F(DrawnDatasets, LabelmesMasksArePlacedAtTheirCornerAndCutAtTheEdge) {
  Image two(2, 2, 1);
  std::fill(two.pixels.begin(), two.pixels.end(), std::uint8_t{1});
  json mask = shape("dog", "mask", {{39, 10}, {40, 11}});
  mask["mask"] = base64(encode_image(two, ImageFileKind::png));
  write_labelme("a.json", {mask});
  const json coco = converted_labels();
  EXPECT_EQ(coco["annotations"][0]["area"], 2) << "of four pixels, two lie in the picture";
  EXPECT_EQ(coco["annotations"][0]["bbox"], json({39.0, 10.0, 1.0, 2.0}));
  mask["mask"] = "bm90IGEgcGljdHVyZQ==";
  write_labelme("a.json", {mask});
  EXPECT_THAT(message_of<DataError>([&] { converted_labels(); }),
              HasSubstr("a.json: shape 1: not a JPEG, PNG or WebP"));
}

TEST_F(DrawnDatasets, ShapesWithoutAnAreaAreLeftOutAndEmptyPicturesStay) {
  write_labelme("a.json", {shape("dog", "point", {{1, 1}}), shape("dog", "linestrip", kTriangle),
                           shape("__ignore__", "polygon", kTriangle), shape("dog", "polygon", {{1, 1}, {2, 2}})});
  write_labelme("b.json", {shape("dog", "polygon", kTriangle)}, "b.jpg");
  const DrawnDataset set = labelme_to_coco(folder_ / "labels", folder_ / "images");
  EXPECT_EQ(set.left_out, 4u);
  EXPECT_EQ(set.images, 2u);
  EXPECT_EQ(set.instances, 1u);
  EXPECT_EQ(json::parse(set.json)["images"][1]["file_name"], "b.jpg") << "found in the image folder";
}

TEST_F(DrawnDatasets, ClassesComeFromTheCallerOrLabelsTxtOrTheLabels) {
  write_labelme("a.json", {shape("dog", "polygon", kTriangle)});
  write("labels/made_before.json", {{"images", json::array()}, {"annotations", json::array()}});
  EXPECT_EQ(converted_labels({"cat", "dog"})["annotations"][0]["category_id"], 2);
  write_file_atomic(folder_ / "labels/labels.txt", "__ignore__\r\n_background_\nowl\n dog\n");
  const json coco = converted_labels();
  ASSERT_EQ(coco["categories"].size(), 2u);
  EXPECT_EQ(coco["categories"][0]["name"], "owl");
  EXPECT_THAT(message_of<DataError>([&] { converted_labels({"dogs"}); }),
              HasSubstr("a.jpg: class 'dog' is not among dogs; did you mean 'dogs'?"));
  EXPECT_THAT(message_of<DataError>([&] { converted_labels({"dog", "dog"}); }), HasSubstr("listed twice in dog, dog"));
}

TEST_F(DrawnDatasets, WhatIsWrongWithLabelmesFilesIsTold) {
  make_folders(folder_ / "labels");
  const auto message = [&] { return message_of<DataError>([&] { converted_labels(); }); };
  EXPECT_THAT(message(), HasSubstr("labels: holds no .json files of labelme"));
  write_labelme("a.json", {shape("", "polygon", kTriangle)});
  EXPECT_THAT(message(), HasSubstr("a.json: shape 1: has no label"));
  write_labelme("a.json", {shape("dog", "polygon", {{1, "x"}})});
  EXPECT_THAT(message(), HasSubstr("a.json: shape 1: y must be a number up to 1e6, got \"x\""));
  write_labelme("a.json", {shape("dog", "polygon", {{1, 2, 3}})});
  EXPECT_THAT(message(), HasSubstr("a point must be [x, y]"));
  write_labelme("a.json", {}, "c.jpg");
  EXPECT_THAT(message(), HasSubstr("a.json: its picture 'c.jpg' is neither there nor in "));
  write_labelme("a.json", {});
  EXPECT_THAT(message(), HasSubstr("holds no instance; name the classes with --classes"));
  write("labels/a.json", {{"images", 1}});
  EXPECT_THAT(message(), HasSubstr("is no file of labelme: it has no list of \"shapes\""));
  write_file_atomic(folder_ / "labels/a.json", "{\"shapes\": [");
  EXPECT_THAT(message(), HasSubstr("a.json: broken JSON at byte 13"));
  make_folders(folder_ / "labels/ImageSets");
  std::filesystem::remove(folder_ / "labels/a.json");
  EXPECT_THAT(message(), HasSubstr("is a Pascal VOC folder; write "));
  EXPECT_THAT(message_of<DataError>([&] {
                write_labelme("a.json", {});
                labelme_to_coco(folder_ / "labels", folder_ / "none");
              }),
              HasSubstr("none: no such image folder"));
}

json region(const json& shape_attributes, const json& attributes) {
  return {{"shape_attributes", shape_attributes}, {"region_attributes", attributes}};
}

const json kRect = {{"name", "rect"}, {"x", 4}, {"y", 5}, {"width", 10}, {"height", 6}};
const json kPolygon = {{"name", "polygon"}, {"all_points_x", {2, 12, 2}}, {"all_points_y", {3, 3, 13}}};

json entry_of(const json& regions, const std::string& picture = "a.jpg") {
  return {{"filename", picture}, {"size", 1234}, {"regions", regions}, {"file_attributes", json::object()}};
}

json entry(const std::vector<json>& regions, const std::string& picture = "a.jpg") {
  return entry_of(regions, picture);
}

TEST_F(DrawnDatasets, ViasShapesBecomeOutlinesAndBoxes) {
  const json kind = {{"kind", "leaf"}};
  const json ellipse = {{"name", "ellipse"}, {"cx", 20}, {"cy", 15},
                        {"rx", 10},          {"ry", 4},  {"theta", 1.5707963267948966}};
  const json coco =
      converted_via({{"a.jpg1234", entry({region(kRect, kind), region(kPolygon, kind), region(ellipse, kind),
                                          region({{"name", "circle"}, {"cx", 9}, {"cy", 9}, {"r", 5}}, kind),
                                          region({{"name", "point"}, {"cx", 9}, {"cy", 9}}, kind)})}});
  ASSERT_EQ(coco["annotations"].size(), 4u);
  EXPECT_EQ(coco["annotations"][0]["bbox"], json({4.0, 5.0, 10.0, 6.0}));
  EXPECT_EQ(coco["annotations"][1]["segmentation"], json::array({json::array({2.0, 3.0, 12.0, 3.0, 2.0, 13.0})}));
  const std::vector<double> turned = coco["annotations"][2]["bbox"];
  EXPECT_NEAR(turned[0], 16, 0.2) << "turned by a quarter: it is 8 wide and 20 high";
  EXPECT_NEAR(turned[3], 20, 0.2);
  EXPECT_NEAR(coco["annotations"][3]["area"].get<double>(), 78.5, 6);
  EXPECT_EQ(coco["images"][0]["height"], 30);
}

TEST_F(DrawnDatasets, ViasProjectsAndVersionOneAndTickedValuesAreRead) {
  json regions = {{"0", region(kRect, {{"kind", {{"leaf", true}, {"stem", false}}}})},
                  {"1", region(kPolygon, {{"kind", {{"stem", true}}}})},
                  {"2", region(kPolygon, {{"kind", json::object()}})}};
  const json project = {{"_via_settings", json::object()},
                        {"_via_img_metadata", {{"a.jpg1", entry_of(regions)}, {"b.jpg2", entry({}, "b.jpg")}}}};
  const json coco = converted_via(project);
  EXPECT_TRUE(looks_like_via(project.dump()));
  EXPECT_TRUE(looks_like_via(project["_via_img_metadata"].dump()));
  EXPECT_FALSE(looks_like_via("{\"images\": [], \"annotations\": []}"));
  EXPECT_EQ(coco["images"].size(), 2u);
  ASSERT_EQ(coco["annotations"].size(), 2u) << "a region of no value is left out";
  EXPECT_EQ(coco["annotations"][1]["category_id"], 2);
  EXPECT_EQ(coco["categories"][1]["name"], "stem");
}

TEST_F(DrawnDatasets, TheClassOfViasRegionsIsToldOrAskedFor) {
  const json two = {{"a", entry({region(kRect, {{"kind", "leaf"}, {"age", "old"}})})}};
  EXPECT_THAT(message_of<DataError>([&] { converted_via(two); }),
              HasSubstr("several attributes (age, kind); say with --attribute which one is the class"));
  EXPECT_EQ(converted_via(two, "age")["categories"][0]["name"], "old");
  EXPECT_THAT(message_of<DataError>([&] { converted_via(two, "kinds"); }),
              HasSubstr("no region has the attribute 'kinds'; did you mean 'kind'?; they have: age, kind"));
  const json none = {{"a", entry({region(kRect, json::object())})}};
  EXPECT_THAT(message_of<DataError>([&] { converted_via(none); }),
              HasSubstr("its regions have no attributes; say with --classes NAME what they all are"));
  EXPECT_EQ(converted_via(none, "", {"balloon"})["annotations"].size(), 1u);
}

TEST_F(DrawnDatasets, WhatIsWrongWithViasFilesIsTold) {
  const auto message = [&](const json& document) { return message_of<DataError>([&] { converted_via(document); }); };
  const json kind = {{"kind", "leaf"}};
  EXPECT_THAT(message({{"a", entry({region(kRect, kind)}, "c.jpg")}}), HasSubstr("no such picture: "));
  EXPECT_THAT(message({{"a", entry({region(kRect, kind)}, "")}}), HasSubstr("a picture has no filename"));
  EXPECT_THAT(message({{"a", entry({region({{"name", "rect"}, {"x", 1}}, kind)})}}),
              HasSubstr("a.jpg: region 1: y must be a number"));
  EXPECT_THAT(message({{"a", entry({region({{"name", "polygon"}, {"all_points_x", {1, 2}}}, kind)})}}),
              HasSubstr("all_points_x and all_points_y must be lists of one length"));
  EXPECT_THAT(message({{"a", entry({region(kRect, {{"kind", {{"leaf", true}, {"stem", true}}}})})}}),
              HasSubstr("region 1: is both 'leaf' and 'stem'; a region has one class"));
  EXPECT_THAT(message(json::array()), HasSubstr("holds no pictures of VIA"));
}

}  // namespace
}  // namespace fastermask
