// COCO JSON to Dataset: order, mapping, what is dropped, what is refused.
#include "fastermask/data/coco.h"

#include <gmock/gmock.h>

#include <fstream>

#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::message_of;
using testing_support::TemporaryFolder;

constexpr const char* kImages = R"([{"id":7,"file_name":"b.jpg","height":40,"width":50},
  {"id":3,"file_name":"a.jpg","height":20,"width":30}])";
constexpr const char* kCategories = R"([{"id":90,"name":"zebra"},{"id":2,"name":"ant"}])";

std::string document(const std::string& annotations, const std::string& images = kImages,
                     const std::string& categories = kCategories) {
  return R"({"images":)" + images + R"(, "annotations":)" + annotations + R"(,
 "categories":)" +
         categories + "}";
}

Dataset load_text(const std::string& text, const std::string& name = "a.json") {
  const TemporaryFolder folder;
  std::ofstream(folder / name) << text;
  return load_coco(folder / name, "images");
}

// The error of loading `text`, with the folder cut off: what follows "coco: ".
std::string error_of(const std::string& text) {
  const std::string message = message_of<DataError>([&] { load_text(text); });
  const std::size_t at = message.find("a.json");
  return at == std::string::npos ? message : message.substr(at);
}

std::string annotation_error(const std::string& fields) { return error_of(document("[{" + fields + "}]")); }

TEST(Coco, ImagesAndCategoriesAreTakenInAscendingIds) {
  const Dataset dataset = load_text(document(R"([
    {"id":11,"image_id":7,"category_id":90,"bbox":[1,2,3,4],"area":12,"iscrowd":0},
    {"id":5,"image_id":3,"category_id":2,"bbox":[0.5,1.25,10,5],"iscrowd":1},
    {"id":12,"image_id":7,"category_id":2,"bbox":[5,6,7,8]}])"));
  ASSERT_EQ(dataset.records.size(), 2u);
  EXPECT_EQ(dataset.records[0].id, 3);
  EXPECT_EQ(dataset.records[0].file_name, "images/a.jpg");
  EXPECT_EQ(dataset.records[1].size(), (ImageSize{40, 50}));
  EXPECT_THAT(dataset.class_names, ElementsAre("ant", "zebra"));
  EXPECT_THAT(dataset.category_ids, ElementsAre(2, 90));
  const std::vector<Annotation> first = dataset.annotations(dataset.records[0]);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_TRUE(first[0].crowd);
  EXPECT_EQ(first[0].box, (Box{0.5f, 1.25f, 10.5f, 6.25f}));
  EXPECT_EQ(first[0].area, 50);
  const std::vector<Annotation> second = dataset.annotations(dataset.records[1]);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[0].id, 11);
  EXPECT_EQ(second[0].category, 1);
  EXPECT_EQ(second[0].area, 12);
  EXPECT_EQ(second[1].category, 0);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(second[0].segmentation));
}

TEST(Coco, PolygonsKeepEveryDigit) {
  const Dataset dataset = load_text(document(
      R"([{"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":[[1.1,2.29,3,4.07,0.3,17.77],[0.123456789012345,1,2,3,4,1e1]]}])"));
  const Segmentation segmentation = dataset.annotations(dataset.records[0])[0].segmentation;
  const auto& polygons = std::get<Polygons>(segmentation);
  ASSERT_EQ(polygons.size(), 2u);
  EXPECT_THAT(polygons[0], ElementsAre(1.1, 2.29, 3, 4.07, 0.3, 17.77));
  EXPECT_THAT(polygons[1], ElementsAre(0.123456789012345, 1, 2, 3, 4, 10));
}

TEST(Coco, BothKindsOfRleAreRead) {
  const Dataset dataset = load_text(document(R"([
    {"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":{"size":[20,30],"counts":[10,5,585]}},
    {"id":2,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":{"counts":":5Yb0","size":[20,30]}}])"));
  const std::vector<Annotation> annotations = dataset.annotations(dataset.records[0]);
  const Rle expected{20, 30, {10, 5, 585}};
  EXPECT_EQ(std::get<Rle>(annotations[0].segmentation), expected);
  EXPECT_EQ(std::get<Rle>(annotations[1].segmentation), expected);
}

TEST(Coco, UnusablePolygonsAreDroppedAndWithTheLastTheAnnotation) {
  const Dataset dataset = load_text(document(R"([
    {"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":[[1,2,3,4],[1,2,3,4,5,6,7]]},
    {"id":2,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":[[1,2,3,4],[1,2,3,4,5,7]]},
    {"id":3,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":[]},
    {"id":4,"image_id":99,"category_id":2,"bbox":[1,2,3,4]}])"));
  const std::vector<Annotation> annotations = dataset.annotations(dataset.records[0]);
  ASSERT_EQ(annotations.size(), 2u);
  EXPECT_EQ(annotations[0].id, 2);
  EXPECT_EQ(std::get<Polygons>(annotations[0].segmentation).size(), 1u);
  EXPECT_EQ(annotations[1].id, 3);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(annotations[1].segmentation));
}

TEST(Coco, KeypointsGetHalfAPixelAndNamesComeFromTheCategory) {
  const Dataset dataset = load_text(
      document(R"([{"id":1,"image_id":3,"category_id":1,"bbox":[1,2,3,4],"keypoints":[4,5,2, 0,0,0, 7,8,1]}])", kImages,
               R"([{"id":1,"name":"person","keypoints":["nose","left_eye","right_eye"],"skeleton":[[1,2],[1,3]]}])"));
  const std::vector<Keypoint> keypoints = dataset.annotations(dataset.records[0])[0].keypoints;
  ASSERT_EQ(keypoints.size(), 3u);
  EXPECT_EQ(keypoints[0].x, 4.5f);
  EXPECT_EQ(keypoints[2].y, 8.5f);
  EXPECT_EQ(keypoints[2].visibility, 1);
  EXPECT_THAT(dataset.keypoint_flip_indices(), ElementsAre(0, 2, 1));
  EXPECT_THAT(dataset.skeleton, ElementsAre(std::pair{0, 1}, std::pair{0, 2}));
}

TEST(Coco, KeypointsWithoutNamesAreNamed) {
  std::string seventeen = "1,1,2";
  for (int i = 1; i < 17; ++i) seventeen += ",0,0,0";
  const std::string annotation = R"([{"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"keypoints":[)";
  EXPECT_EQ(load_text(document(annotation + seventeen + "]}]")).keypoint_names[1], "left_eye");
  EXPECT_THAT(load_text(document(annotation + "1,1,2,3,3,1]}]")).keypoint_flip_indices(), ElementsAre(0, 1));
  EXPECT_EQ(
      error_of(document(
          annotation + R"(1,1,2]},{"id":2,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"keypoints":[1,1,2,1,1,2]}])")),
      "a.json: annotation 2 (image 3): keypoints must be 1 (as the category or the annotations before have), got 2");
}

TEST(Coco, TestSetsNeedNoAnnotations) {
  const Dataset dataset = load_text(std::string(R"({"images":)") + kImages + R"(,"categories":)" + kCategories + "}");
  EXPECT_EQ(dataset.records.size(), 2u);
  EXPECT_EQ(dataset.table.size(), 0u);
}

TEST(Coco, DuplicateAnnotationIdsAreAllowedInMinivalOnly) {
  const std::string text = document(R"([{"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4]},
                                        {"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4]}])");
  EXPECT_EQ(error_of(text), "a.json: annotation 1: the id is used twice");
  EXPECT_EQ(load_text(text, "instances_minival2014.json").table.size(), 2u);
}

TEST(Coco, ErrorsNameAnnotationImageAndField) {
  EXPECT_EQ(annotation_error(R"("id":17,"image_id":3,"category_id":91,"bbox":[1,2,3,4])"),
            "a.json: annotation 17 (image 3): category_id 91 is not among the 2 categories of the file");
  EXPECT_EQ(annotation_error(R"("id":17,"image_id":3,"category_id":2)"),
            "a.json: annotation 17 (image 3): has no bbox");
  EXPECT_EQ(annotation_error(R"("image_id":3,"category_id":2,"bbox":[1,2,3,4])"),
            "a.json: annotations[0] (image 3): has no id");
  EXPECT_EQ(annotation_error(R"("bbox":[1,2,3],"id":17,"image_id":3,"category_id":2)"),
            "a.json: annotation 17 (image 3): bbox must be 4 numbers (x, y, width, height), got 3");
  EXPECT_EQ(annotation_error(R"("bbox":[1,2,"3",4],"id":17,"image_id":3,"category_id":2)"),
            "a.json: annotation 17 (image 3): bbox must be a number, got a string");
  EXPECT_EQ(annotation_error(R"("bbox":{},"id":17,"image_id":3,"category_id":2)"),
            "a.json: annotation 17 (image 3): bbox must be a list, got an object");
  EXPECT_EQ(annotation_error(R"("id":17,"image_id":"x","category_id":2,"bbox":[1,2,3,4])"),
            "a.json: annotation 17: image_id must be a whole number, got a string");
  EXPECT_EQ(annotation_error(R"("id":17,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"ignore":1)"),
            "a.json: annotation 17 (image 3): \"ignore\" is not supported; mark such regions with iscrowd");
  EXPECT_EQ(annotation_error(R"("id":17,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":5)"),
            "a.json: annotation 17 (image 3): segmentation must be a list of polygons, an RLE object or the path of a "
            "PNG, got a number");
  EXPECT_EQ(
      annotation_error(R"("id":17,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":{"size":[20,30]})"),
      "a.json: annotation 17 (image 3): segmentation has no counts");
  EXPECT_EQ(annotation_error(
                R"("id":17,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":{"size":[2,3],"counts":[6]})"),
            "a.json: annotation 17 (image 3): segmentation size is 2x3, the image is 20x30 (height x width)");
  EXPECT_THAT(
      annotation_error(
          R"("id":17,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":{"size":[20,30],"counts":[6]})"),
      HasSubstr("a.json: annotation 17 (image 3): segmentation: "));
  EXPECT_EQ(annotation_error(R"("id":17,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"keypoints":[1,2])"),
            "a.json: annotation 17 (image 3): keypoints must be triples (x, y, visibility), got 2 numbers");
}

TEST(Coco, ErrorsNameImagesAndCategories) {
  EXPECT_EQ(error_of(document("[]", R"([{"id":1,"file_name":"a.jpg","width":3}])")), "a.json: image 1: has no height");
  EXPECT_EQ(error_of(document("[]", R"([{"id":1,"file_name":"a.jpg","width":3,"height":0}])")),
            "a.json: image 1: height must be positive, got 0");
  EXPECT_EQ(
      error_of(document(
          "[]", R"([{"id":1,"file_name":"a","width":3,"height":1},{"id":1,"file_name":"b","width":3,"height":1}])")),
      "a.json: image 1: the id is used twice");
  EXPECT_EQ(error_of(document("[]", "[]")), "a.json: \"images\" is empty");
  EXPECT_EQ(error_of(document("[]", kImages, R"([{"id":1}])")), "a.json: category 1: has no name");
  EXPECT_EQ(error_of(document("[]", kImages, R"([{"id":1,"name":"a"},{"id":1,"name":"b"}])")),
            "a.json: category 1: the id is used twice");
  EXPECT_EQ(error_of(document("[]", kImages, "[]")), "a.json: \"categories\" is empty");
  EXPECT_EQ(error_of(document("{}")), "a.json: \"annotations\" must be a list");
  EXPECT_EQ(error_of(document("[3]")), "a.json: annotations[0]: must be an object, got '3'");
  EXPECT_EQ(error_of("{}"),
            "a.json: has no \"categories\"; a COCO file is an object with \"images\", \"annotations\" and "
            "\"categories\"");
}

TEST(Coco, BrokenJsonIsNamedWithByteAndLine) {
  EXPECT_EQ(error_of("[]"), "a.json: broken JSON at byte 0 (line 1): expected '{' at the beginning, got '['");
  EXPECT_THAT(error_of(document("[]").substr(0, 30)), HasSubstr("the file ends inside the '[' of byte 10"));
  EXPECT_THAT(error_of("{\"images\": [}"), HasSubstr("broken JSON at byte 12 (line 1): '}' closes nothing"));
  EXPECT_THAT(error_of("{\"images\": [] \n \"a\": 1}"),
              HasSubstr("(line 2): expected ',' between two members, got '\"'"));
  EXPECT_THAT(error_of("{\"images\": \"abc"), HasSubstr("a string that begins here never ends"));
  EXPECT_THAT(error_of(""), HasSubstr("the file ends too early"));
  EXPECT_THAT(error_of("{} x"), HasSubstr("more text after the end"));
  EXPECT_THAT(error_of("{\"a\":" + std::string(2000, '[') + "}"), HasSubstr("nested too deeply"));
  EXPECT_EQ(message_of<DataError>([] { load_coco("/nowhere/x.json", ""); }), "coco: /nowhere/x.json: no such file");
  EXPECT_EQ(message_of<DataError>([] { load_coco("/", ""); }), "coco: /: not a file");
}

TEST(Coco, EveryTruncatedFileGivesAnError) {
  const std::string text =
      document(R"([{"id":1,"image_id":3,"category_id":2,"bbox":[1,2,3,4],"segmentation":[[1,2,3,4,5,7.5]]}])");
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THROW(load_text(text.substr(0, size)), DataError) << size;
  }
}

}  // namespace
}  // namespace fastermask
