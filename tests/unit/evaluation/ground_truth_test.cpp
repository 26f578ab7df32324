// Reading ground truth: what is kept, and every error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>

#include "fastermask/base/error.h"
#include "fastermask/base/file.h"
#include "fastermask/evaluation/coco_ground_truth.h"
#include "fastermask/kernels/rle.h"
#include "unit/evaluation/small_truth.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;
using testing_support::message_of;
using testing_support::small_truth;
using testing_support::small_truth_json;

std::string truth_error(const nlohmann::json& json) {
  return message_of<DataError>([&] { CocoGroundTruth::parse(json.dump(), "gt.json"); });
}

// The message when one field of the first annotation has another value.
std::string error_with_field(const std::string& field, const nlohmann::json& value) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0][field] = value;
  return truth_error(json);
}

std::string error_without(const std::string& field) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0].erase(field);
  return truth_error(json);
}

TEST(CocoGroundTruth, SortsImagesCategoriesAndAnnotations) {
  const auto truth = small_truth();
  ASSERT_EQ(truth->images().size(), 2u);
  EXPECT_EQ(truth->images()[0].id, 7);
  EXPECT_EQ(truth->images()[0].annotation_count, 2u);
  EXPECT_EQ(truth->images()[1].annotation_count, 0u);
  EXPECT_EQ(truth->category_ids(), (std::vector<std::int64_t>{3, 5}));
  EXPECT_EQ(truth->category_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(truth->annotations_of(0)[0].id, 12);
  EXPECT_EQ(truth->annotations_of(0)[1].id, 11);
  EXPECT_EQ(truth->find_image(9), 1);
  EXPECT_EQ(truth->find_image(8), -1);
  EXPECT_EQ(truth->find_category(5), 1);
  EXPECT_EQ(truth->find_category(4), -1);
  EXPECT_GT(truth->memory_bytes(), 100u);
}

TEST(CocoGroundTruth, KeepsMasksOfAllKinds) {
  nlohmann::json json = small_truth_json();
  const Rle square = small_truth()->mask(small_truth()->annotations_of(0)[1]);
  EXPECT_EQ(rle_area(square), 16u);
  EXPECT_EQ(rle_to_xywh(square), (std::array<double, 4>{8, 2, 4, 4}));
  json["annotations"][0]["segmentation"] = {{"size", {10, 20}}, {"counts", rle_to_string(square)}};
  json["annotations"][1]["segmentation"] = {{1, 1, 6, 6}};  // a box: x, y, width, height
  const CocoGroundTruth truth = CocoGroundTruth::parse(json.dump(), "gt.json");
  EXPECT_EQ(truth.mask(truth.annotations_of(0)[1]), square);
  EXPECT_EQ(truth.mask(truth.annotations_of(0)[0]), box_to_rle({1, 1, 6, 6}, 10, 20));
  const auto polygon = small_truth();
  EXPECT_EQ(polygon->mask(polygon->annotations_of(0)[0]), polygons_to_rle({{1, 1, 7, 1, 7, 7, 1, 7}}, 10, 20));
}

TEST(CocoGroundTruth, DropsPolygonsThatEncloseNothingAndAnOddLastNumber) {
  nlohmann::json json = small_truth_json();
  json["annotations"][1]["segmentation"] = {{1, 1, 7, 1, 7, 7, 1, 7, 5}, {1, 1, 2, 2}};
  const CocoGroundTruth truth = CocoGroundTruth::parse(json.dump(), "gt.json");
  EXPECT_EQ(truth.mask(truth.annotations_of(0)[0]), polygons_to_rle({{1, 1, 7, 1, 7, 7, 1, 7}}, 10, 20));
}

TEST(CocoGroundTruth, FillsInWhatMayBeMissing) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0].erase("area");
  json["annotations"][0].erase("iscrowd");
  json["annotations"][0]["keypoints"] = {1, 2, 2, 3, 4, 0};
  const CocoGroundTruth truth = CocoGroundTruth::parse(json.dump(), "gt.json");
  const GroundTruthAnnotation& annotation = truth.annotations_of(0)[1];
  EXPECT_EQ(annotation.area, 16);
  EXPECT_FALSE(annotation.crowd);
  EXPECT_EQ(annotation.num_keypoints, 1);
  EXPECT_EQ(truth.keypoints(annotation).size(), 6u);
  EXPECT_EQ(truth.keypoints(annotation)[3], 3);
}

TEST(CocoGroundTruth, KeepsFlagsWrittenAsNumbersOrWords) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0]["iscrowd"] = true;
  json["annotations"][1]["iscrowd"] = 1;
  json["annotations"][1]["ignore"] = 1;
  const CocoGroundTruth truth = CocoGroundTruth::parse(json.dump(), "gt.json");
  EXPECT_TRUE(truth.annotations_of(0)[0].crowd);
  EXPECT_TRUE(truth.annotations_of(0)[0].ignore);
  EXPECT_TRUE(truth.annotations_of(0)[1].crowd);
  EXPECT_FALSE(truth.annotations_of(0)[1].ignore);
}

TEST(CocoGroundTruth, ReadsTestSetsWithoutAnnotations) {
  nlohmann::json json = small_truth_json();
  json.erase("annotations");
  EXPECT_TRUE(CocoGroundTruth::parse(json.dump(), "gt.json").annotations().empty());
}

TEST(CocoGroundTruth, ReadsPackedFiles) {
  const std::string folder = ::testing::TempDir() + "/ground_truth_" + std::to_string(::getpid());
  make_folders(folder);
  const std::string text = small_truth_json().dump();
  gzFile file = gzopen((folder + "/gt.json.gz").c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
  EXPECT_EQ(CocoGroundTruth::read(folder + "/gt.json.gz").annotations().size(), 2u);
  const std::string packed = read_file(folder + "/gt.json.gz");
  write_file_atomic(folder + "/half.json.gz", packed.substr(0, packed.size() / 2));
  EXPECT_THAT(message_of<DataError>([&] { CocoGroundTruth::read(folder + "/half.json.gz"); }),
              HasSubstr("the gzip data is damaged or cut off"));
  std::filesystem::remove_all(folder);
}

TEST(CocoGroundTruth, NamesTheFileAndTheReasonWhenItCannotBeRead) {
  EXPECT_EQ(message_of<DataError>([] { CocoGroundTruth::read("/nowhere/gt.json"); }),
            "ground truth: /nowhere/gt.json: cannot open: No such file or directory");
  EXPECT_THAT(message_of<DataError>([] { CocoGroundTruth::read("/tmp"); }), HasSubstr("is a folder"));
}

TEST(CocoGroundTruth, RefusesBrokenFiles) {
  EXPECT_THAT(message_of<DataError>([] { CocoGroundTruth::parse("{\"images\": [", "gt.json"); }),
              HasSubstr("ground truth: gt.json: broken JSON at byte"));
  nlohmann::json json = small_truth_json();
  json.erase("images");
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: the file has no \"images\"; is it a COCO annotation file?");
  json["images"] = 5;
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: \"images\" must be a list");
  json = small_truth_json();
  json["annotations"][1] = 4;
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: annotation number 1: must be an object");
}

TEST(CocoGroundTruth, RefusesIdsUsedTwice) {
  nlohmann::json json = small_truth_json();
  json["images"][1]["id"] = 9;
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: image 9: the id is used twice");
  json = small_truth_json();
  json["categories"][1]["id"] = 5;
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: category 5: the id is used twice");
  EXPECT_EQ(error_with_field("id", 12), "ground truth: gt.json: annotation 12: the id is used twice");
  json = small_truth_json();
  json["annotations"][0]["id"] = 12;
  EXPECT_EQ(CocoGroundTruth::parse(json.dump(), "instances_minival2014.json").annotations().size(), 2u);
}

TEST(CocoGroundTruth, RefusesAnnotationsWithoutTheirFields) {
  EXPECT_EQ(error_without("id"), "ground truth: gt.json: annotation number 0: has no id");
  EXPECT_EQ(error_without("image_id"), "ground truth: gt.json: annotation 11: has no image_id");
  EXPECT_EQ(error_without("category_id"), "ground truth: gt.json: annotation 11: has no category_id");
  EXPECT_EQ(error_without("bbox"), "ground truth: gt.json: annotation 11: has no bbox");
}

TEST(CocoGroundTruth, RefusesUnknownIds) {
  EXPECT_EQ(error_with_field("image_id", 8),
            "ground truth: gt.json: annotation 11: image_id 8 is not among the 2 images of the file");
  EXPECT_EQ(error_with_field("category_id", 91),
            "ground truth: gt.json: annotation 11: category_id 91 is not among the 2 categories of the file");
}

TEST(CocoGroundTruth, RefusesWrongTypes) {
  const std::string where = "ground truth: gt.json: annotation 11: ";
  EXPECT_EQ(error_with_field("image_id", "7"), where + "image_id must be a whole number, got a string");
  EXPECT_EQ(error_with_field("image_id", 7.5), where + "image_id must be a whole number, got 7.5");
  EXPECT_EQ(error_with_field("area", nullptr), where + "area must be a finite number, got null");
  EXPECT_EQ(error_with_field("bbox", {1, 2, 3}), where + "bbox must be 4 numbers (x, y, width, height), got 3");
  EXPECT_EQ(error_with_field("bbox", 1), where + "bbox must be a list of numbers, got 1");
  EXPECT_EQ(error_with_field("keypoints", {1, 2}),
            where + "keypoints must be (x, y, visibility) of each, got 2 numbers");
  EXPECT_EQ(error_with_field("segmentation", "x"), where + "segmentation must be polygons or an RLE, got a string");
  EXPECT_EQ(error_with_field("segmentation", {{"size", {10, 20}}}), where + "segmentation has no counts");
  EXPECT_EQ(error_with_field("segmentation", {{"counts", {200}}}), where + "segmentation has no size");
  EXPECT_EQ(error_with_field("segmentation", {{"size", {10}}, {"counts", {10}}}),
            where + "segmentation size must be (height, width), got 1 numbers");
  EXPECT_EQ(error_with_field("segmentation", {{"size", {10, -20}}, {"counts", {10}}}),
            where + "segmentation size must be two whole numbers, got (10, -20)");
  EXPECT_EQ(error_with_field("segmentation", {{"size", {10, 20}}, {"counts", {1.5}}}),
            where + "segmentation counts must be whole numbers from 0 to 2^32 - 1, got 1.5");
  nlohmann::json json = small_truth_json();
  json["images"][0]["height"] = 0;
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: image 9: height must be from 1 to 65535, got 0");
  json = small_truth_json();
  json["categories"][0]["name"] = 1;
  EXPECT_EQ(truth_error(json), "ground truth: gt.json: category 5: name must be a string, got 1");
}

TEST(CocoGroundTruth, RefusesMasksThatDoNotFitTheirImage) {
  EXPECT_EQ(
      error_with_field("segmentation", {{"size", {10, 21}}, {"counts", {210}}}),
      "ground truth: gt.json: annotation 11: segmentation size is 10 x 21, its image is 10 x 20 (height x width)");
  EXPECT_THAT(
      error_with_field("segmentation", {{"size", {10, 20}}, {"counts", {199}}}),
      HasSubstr("annotation 11: segmentation: rle: the counts must add up to height x width = 10 x 20 = 200, got 199"));
}

TEST(CocoGroundTruth, NamesTheAnnotationWhoseMaskIsMissingOrCannotBeDrawn) {
  nlohmann::json json = small_truth_json();
  json["annotations"][0].erase("segmentation");
  json["annotations"][1]["segmentation"] = {{1, 1, 6, 6}, {1, 2, 3, 4, 5, 6}};
  const CocoGroundTruth truth = CocoGroundTruth::parse(json.dump(), "gt.json");
  EXPECT_EQ(
      message_of<DataError>([&] { truth.mask(truth.annotations_of(0)[1]); }),
      "ground truth: gt.json: annotation 11 (image 7): has no segmentation, which evaluating masks needs; evaluate "
      "boxes instead");
  EXPECT_EQ(
      message_of<DataError>([&] { truth.mask(truth.annotations_of(0)[0]); }),
      "ground truth: gt.json: annotation 12 (image 7): segmentation mixes boxes of 4 numbers with a polygon of 6");
  json = small_truth_json();
  json["images"][1].erase("height");
  const CocoGroundTruth sizeless = CocoGroundTruth::parse(json.dump(), "gt.json");
  EXPECT_EQ(message_of<DataError>([&] { sizeless.mask(sizeless.annotations_of(0)[0]); }),
            "ground truth: gt.json: annotation 12 (image 7): its image has no height and width, which drawing polygons "
            "needs");
}

}  // namespace
}  // namespace fastermask
