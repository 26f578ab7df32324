// A folder of planted faults: every one is found, and the repaired file has none of the errors left.
#include "fastermask/data/dataset_check.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "fastermask/data/coco.h"
#include "fastermask/data/image_codecs.h"
#include "fastermask/data/loader.h"
#include "fastermask/data/polygon_check.h"
#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing_support::position_image;
using testing_support::TemporaryFolder;

void write_bytes(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// A JPEG of the stored size whose EXIF orientation is 6 (a quarter turn).
std::string turned_jpeg(int height, int width) {
  const std::string jpeg = encode_image(position_image(height, width), ImageFileKind::jpeg);
  const std::string exif(
      "\xFF\xE1\x00\x22"
      "Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
      36);
  return jpeg.substr(0, 2) + exif + jpeg.substr(2);
}

DatasetLocation plant_faults(const TemporaryFolder& folder) {
  for (int i = 1; i <= 5; ++i) {
    write_bytes(folder / fmt::format("{}.png", i), encode_image(position_image(40, 60 + i), ImageFileKind::png));
  }
  const std::string good = encode_image(position_image(40, 60), ImageFileKind::png);
  write_bytes(folder / "half.png", good.substr(0, good.size() / 2));
  write_bytes(folder / "turned.jpg", turned_jpeg(40, 60));
  write_bytes(folder / "copy.png", encode_image(position_image(40, 61), ImageFileKind::png));
  write_bytes(folder / "faults.json", R"({"info": {"kept": true}, "images": [
    {"id":1,"file_name":"1.png","height":40,"width":61},
    {"id":2,"file_name":"2.png","height":40,"width":99},
    {"id":3,"file_name":"none.png","height":40,"width":60},
    {"id":4,"file_name":"half.png","height":40,"width":60},
    {"id":5,"file_name":"turned.jpg","height":40,"width":60},
    {"id":6,"file_name":"copy.png","height":40,"width":61},
    {"id":1,"file_name":"3.png","height":40,"width":63},
    {"id":8,"file_name":"4.png","width":64}],
  "categories": [{"id":1,"name":"a"}],
  "annotations": [
    {"id":1,"image_id":1,"category_id":1,"bbox":[5,5,10,10],"segmentation":[[5,5,15,5,15,15]]},
    {"id":2,"image_id":1,"category_id":1,"bbox":[50,5,30,10]},
    {"id":3,"image_id":1,"category_id":1,"bbox":[5,5,0,10]},
    {"id":4,"image_id":1,"category_id":1,"bbox":[5,5,10,10],"segmentation":[[5,5,15,5],[5,5,15,5,15,15]]},
    {"id":5,"image_id":1,"category_id":1,"bbox":[5,5,10,10],"segmentation":[[5,5,15,5]]},
    {"id":6,"image_id":1,"category_id":1,"bbox":[5,5,10,10],"segmentation":[[5,5,15,15,15,5,5,15]]},
    {"id":7,"image_id":1,"category_id":1,"bbox":[5,5,10,10],"segmentation":{"size":[40,60],"counts":[2400]}},
    {"id":8,"image_id":1,"category_id":1,"bbox":[5,5,10,10],"segmentation":{"size":[40,61],"counts":[7]}},
    {"id":9,"image_id":1,"category_id":7,"bbox":[5,5,10,10]},
    {"id":1,"image_id":1,"category_id":1,"bbox":[6,6,10,10]},
    {"id":11,"image_id":77,"category_id":1,"bbox":[5,5,10,10]},
    {"id":12,"image_id":1,"category_id":1},
    {"id":13,"image_id":1,"category_id":1,"bbox":[50,5,11,10],"segmentation":[[50,5,70,5,70,15]]},
    {"id":14,"image_id":5,"category_id":1,"bbox":[10,20,30,5],"segmentation":[[10,20,40,20,40,25]]},
    {"id":15,"image_id":3,"category_id":1,"bbox":[5,5,10,10]}]})");
  return {"faults", folder / "faults.json", folder.path(), false};
}

CheckOptions repairing() {
  CheckOptions options;
  options.repair = true;
  return options;
}

std::multimap<ProblemKind, std::int64_t> kinds_of(const CheckReport& report) {
  std::multimap<ProblemKind, std::int64_t> kinds;
  for (const DataProblem& problem : report.problems) {
    kinds.emplace(problem.kind, problem.annotation_id >= 0 ? problem.annotation_id : problem.image_id);
  }
  return kinds;
}

TEST(DatasetCheck, EveryPlantedFaultIsReported) {
  const TemporaryFolder folder;
  const CheckReport report = check_dataset(plant_faults(folder));
  EXPECT_EQ(report.images, 8);
  EXPECT_EQ(report.annotations, 15);
  const std::multimap<ProblemKind, std::int64_t> expected = {{ProblemKind::duplicate_image_id, 1},
                                                             {ProblemKind::malformed_image, 8},
                                                             {ProblemKind::size_mismatch, 2},
                                                             {ProblemKind::missing_image, 3},
                                                             {ProblemKind::unreadable_image, 4},
                                                             {ProblemKind::exif_rotated, 5},
                                                             {ProblemKind::repeated_image, 6},
                                                             {ProblemKind::box_outside, 2},
                                                             {ProblemKind::empty_box, 3},
                                                             {ProblemKind::short_polygon, 4},
                                                             {ProblemKind::short_polygon, 5},
                                                             {ProblemKind::crossing_polygon, 6},
                                                             {ProblemKind::bad_rle, 7},
                                                             {ProblemKind::bad_rle, 8},
                                                             {ProblemKind::unknown_category, 9},
                                                             {ProblemKind::duplicate_annotation_id, 1},
                                                             {ProblemKind::unknown_image, 11},
                                                             {ProblemKind::malformed_annotation, 12},
                                                             {ProblemKind::polygon_outside, 13}};
  EXPECT_EQ(kinds_of(report), expected);
}

TEST(DatasetCheck, TheRepairedFileHasNoErrorsLeftAndLoads) {
  const TemporaryFolder folder;
  const CheckReport report = check_dataset(plant_faults(folder), repairing());
  write_bytes(folder / "repaired.json", report.repaired_json);
  const CheckReport again = check_dataset({"repaired", folder / "repaired.json", folder.path(), false});
  for (const DataProblem& problem : again.problems) {
    EXPECT_FALSE(is_error(problem.kind)) << problem_name(problem.kind) << ": " << problem.message;
  }
  EXPECT_NE(report.repaired_json.find("\"info\": {\"kept\": true}"), std::string::npos);
  const Dataset dataset = load_coco(folder / "repaired.json", folder.path());
  ASSERT_EQ(dataset.records.size(), 4u);  // 1, 2, 5, 6
  EXPECT_EQ(dataset.records[1].width, 62);
  const std::vector<Annotation> annotations = dataset.annotations(dataset.records[0]);
  std::vector<std::int64_t> ids;
  for (const Annotation& annotation : annotations) ids.push_back(annotation.id);
  EXPECT_THAT(ids, testing::ElementsAre(1, 2, 4, 6, 16, 13));
  EXPECT_EQ(annotations[1].box, (Box{50, 5, 61, 15})) << "cut at the edge";
  EXPECT_EQ(std::get<Polygons>(annotations[2].segmentation).size(), 1u);
}

TEST(DatasetCheck, ExifTurnedAnnotationsAreTurnedUpright) {
  const TemporaryFolder folder;
  write_bytes(folder / "repaired.json", check_dataset(plant_faults(folder), repairing()).repaired_json);
  const Dataset dataset = load_coco(folder / "repaired.json", folder.path());
  const ImageRecord& record = dataset.records[2];
  EXPECT_EQ(record.size(), (ImageSize{60, 40}));
  EXPECT_EQ(read_record_image(record, PixelFormat::bgr).size(), record.size());
  // Orientation 6: (x, y) of the stored 40-high picture is (40 - y, x) upright.
  const Annotation annotation = dataset.annotations(record).at(0);
  EXPECT_EQ(annotation.box, (Box{15, 10, 20, 40}));
  EXPECT_THAT(std::get<Polygons>(annotation.segmentation)[0], testing::ElementsAre(20, 10, 20, 40, 15, 40));
}

TEST(DatasetCheck, PicturesInTwoSetsAreFound) {
  const TemporaryFolder folder;
  const DatasetLocation location = plant_faults(folder);
  const std::vector<CheckReport> first = {check_dataset(location)};
  const CheckReport second = check_dataset(location, repairing(), first);
  EXPECT_EQ(kinds_of(second).count(ProblemKind::image_in_two_sets), first[0].pictures.size());
  EXPECT_EQ(second.problems.size() - first[0].problems.size(), first[0].pictures.size());
  EXPECT_EQ(second.repair.images_kept, 0) << "each readable picture is in the first set, too";
}

TEST(DatasetCheck, TheRepairSaysWhatIsLostAndWhatChanges) {
  const TemporaryFolder folder;
  const CheckReport report = check_dataset(plant_faults(folder), repairing());
  EXPECT_EQ(report.repair.images_kept, 4);
  EXPECT_EQ(report.repair.images_removed, 4);  // 3, 4, the second 1, 8
  EXPECT_EQ(report.repair.images_changed, 2);  // sizes of 2 and 5
  EXPECT_EQ(report.repair.annotations_kept + report.repair.annotations_removed, report.annotations);
  EXPECT_EQ(report.repair.annotations_kept, 7);
  EXPECT_EQ(report.repair.annotations_changed, 6);  // box 2, polygons 4 and 6, the new id 16, polygon 13, turned 14
  EXPECT_THAT(report.repair.removed_with_image, testing::ElementsAre(15));
  EXPECT_EQ(report.problems[0].message, "the id is used before, by " + (folder / "1.png") +
                                            "; annotations of this id are taken to be those of that image");
}

TEST(DatasetCheck, ACrossingPolygonBecomesTheMaskThatItFills) {
  const TemporaryFolder folder;
  write_bytes(folder / "repaired.json", check_dataset(plant_faults(folder), repairing()).repaired_json);
  const Dataset dataset = load_coco(folder / "repaired.json", folder.path());
  const Annotation annotation = dataset.annotations(dataset.records[0]).at(3);
  ASSERT_EQ(annotation.id, 6);
  EXPECT_EQ(std::get<Rle>(annotation.segmentation).counts,
            polygons_to_rle({{5, 5, 15, 15, 15, 5, 5, 15}}, 40, 61).counts);
}

TEST(DatasetCheck, BrokenJsonIsOneProblem) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.json", "{\"images\": [");
  const CheckReport report = check_dataset({"a", folder / "a.json", folder.path(), false}, repairing());
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].kind, ProblemKind::broken_json);
  EXPECT_TRUE(report.repaired_json.empty());
}

TEST(PolygonCheck, CrossingAndTouchingAreTold) {
  EXPECT_TRUE(crosses_itself({0, 0, 10, 10, 10, 0, 0, 10}));
  EXPECT_FALSE(crosses_itself({0, 0, 10, 0, 10, 10, 0, 10}));
  EXPECT_FALSE(crosses_itself({0, 0, 10, 0, 5, 5, 10, 10, 0, 10, 5, 5})) << "touching in a corner";
}

TEST(DatasetCheck, TrainingOverTheFaultsGoesOn) {
  // What the loader can be given: JSON that loads, with a missing, a truncated and a wrongly sized picture.
  const TemporaryFolder folder;
  plant_faults(folder);
  std::string images;
  for (const auto& [id, name] :
       {std::pair{1, "1.png"}, {2, "2.png"}, {3, "none.png"}, {4, "half.png"}, {5, "turned.jpg"}}) {
    images += fmt::format(R"({}{{"id":{},"file_name":"{}","height":40,"width":{}}})", images.empty() ? "" : ",", id,
                          name, id <= 1 ? 61 : 60);
  }
  write_bytes(folder / "train.json", R"({"images":[)" + images + R"(],"categories":[{"id":1,"name":"a"}],"annotations":[
    {"id":1,"image_id":1,"category_id":1,"bbox":[5,5,10,10]}]})");
  LoaderOptions options;
  options.batch_size = 2;
  options.threads = 2;
  options.max_bad_share = 0.8;
  options.mapper.augmentation.min_sizes = {40};
  TrainingLoader loader(std::make_shared<Dataset>(load_coco(folder / "train.json", folder.path())), options);
  for (int i = 0; i < 10; ++i) {
    for (const std::int64_t id : loader.next().image_ids) EXPECT_EQ(id, 1);
  }
}

}  // namespace
}  // namespace fastermask
