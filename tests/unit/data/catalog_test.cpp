// Finding data sets by name, joining and filtering them.
#include "fastermask/data/catalog.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::message_of;
using testing_support::TemporaryFolder;

std::string write_set(const TemporaryFolder& folder, const std::string& name, const std::string& annotations,
                      const std::string& classes = R"([{"id":1,"name":"ant"},{"id":2,"name":"bee"}])") {
  const std::string images =
      R"([{"id":1,"file_name":"1.jpg","height":9,"width":9},{"id":2,"file_name":"2.jpg","height":9,"width":9}])";
  std::filesystem::create_directories(folder / "images");
  std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
  std::ofstream(folder / name) << R"({"images":)" << images << R"(,"annotations":)" << annotations
                               << R"(,"categories":)" << classes << "}";
  return (folder / name) + ":" + (folder / "images");
}

TEST(Catalog, PairsAndBuiltinNamesAreFound) {
  const TemporaryFolder folder;
  const std::string pair = write_set(folder, "a.json", "[]");
  EXPECT_EQ(find_dataset(pair).image_root, folder / "images");
  write_set(folder, "coco/annotations/person_keypoints_val2017.json", "[]");
  std::filesystem::create_directories(folder / "coco/val2017");
  ::setenv("DETECTRON2_DATASETS", folder.path().c_str(), 1);
  const DatasetLocation found = find_dataset("keypoints_coco_2017_val");
  EXPECT_EQ(found.image_root, folder / "coco/val2017");
  EXPECT_TRUE(found.keypoints);
  EXPECT_EQ(load_dataset("keypoints_coco_2017_val").keypoint_names.size(), 17u);
  EXPECT_EQ(
      message_of<DataError>([] { find_dataset("coco_2017_val"); }),
      "dataset: coco_2017_val: annotations not found; looked for " +
          (folder / "coco/annotations/instances_val2017.json") +
          ", ./datasets/coco/annotations/instances_val2017.json; put the data there, or set $FASTERMASK_DATASETS to "
          "the folder that holds coco/");
  ::unsetenv("DETECTRON2_DATASETS");
}

TEST(Catalog, WrongNamesGetASuggestionAndTheList) {
  const std::string message = message_of<DataError>([] { find_dataset("coco_2017_trian"); });
  EXPECT_THAT(message, HasSubstr("unknown data set 'coco_2017_trian'; did you mean 'coco_2017_train'?"));
  EXPECT_THAT(message, HasSubstr("keypoints_coco_2017_val_100"));
  EXPECT_EQ(message_of<DataError>([] { find_dataset("a.json"); }),
            "dataset: 'a.json' names annotations without an image folder; write a.json:IMAGE_FOLDER");
  EXPECT_EQ(message_of<DataError>([] { find_dataset("none.json:images"); }),
            "dataset: none.json: no such annotation file");
  const TemporaryFolder folder;
  write_set(folder, "a.json", "[]");
  EXPECT_EQ(message_of<DataError>([&] { find_dataset((folder / "a.json") + ":" + (folder / "other")); }),
            "dataset: " + (folder / "other") + ": no such image folder (of annotations " + (folder / "a.json") + ")");
}

TEST(Catalog, FilterLeavesOutEmptyAndCrowdOnlyImages) {
  const TemporaryFolder folder;
  const std::string pair =
      write_set(folder, "a.json", R"([{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,2,2],"iscrowd":1},
    {"id":2,"image_id":2,"category_id":2,"bbox":[1,1,2,2],"keypoints":[1,1,2,0,0,0]}])");
  EXPECT_EQ(load_datasets({pair})->records.size(), 2u);
  const auto filtered = load_datasets({pair}, {true, 0});
  ASSERT_EQ(filtered->records.size(), 1u);
  EXPECT_EQ(filtered->annotations(filtered->records[0])[0].id, 2);
  EXPECT_EQ(load_datasets({pair}, {false, 1})->records.size(), 1u);
  EXPECT_THAT(message_of<DataError>([&] { load_datasets({pair}, {false, 2}); }), HasSubstr("no images are left"));
  EXPECT_EQ(message_of<DataError>([] { load_datasets({}); }),
            "dataset: no data set is named; set DATASETS.TRAIN or DATASETS.TEST");
}

TEST(Catalog, NamesFromTheConfigTakeThePlaceOfTheSets) {
  const TemporaryFolder folder;
  const std::string pair = write_set(
      folder, "a.json", R"([{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,2,2],"keypoints":[1,1,2,0,0,0]}])");
  Config config;
  config.model.roi_heads.num_classes = 2;
  config.datasets.class_names = {"Ameise", "Biene"};
  config.datasets.keypoint_names = {"left_end", "right_end"};
  const Dataset dataset = load_dataset(pair, dataset_loading(config));
  EXPECT_THAT(dataset.class_names, ElementsAre("Ameise", "Biene"));
  EXPECT_THAT(dataset.keypoint_names, ElementsAre("left_end", "right_end"));
  EXPECT_THAT(dataset.keypoint_flip_indices(), ElementsAre(1, 0));
  DatasetFilter filter;
  filter.loading = dataset_loading(config);
  EXPECT_THAT(load_datasets({pair, pair}, filter)->class_names, ElementsAre("Ameise", "Biene"));
  config.model.roi_heads.num_classes = 3;
  EXPECT_EQ(message_of<ConfigError>([&] { dataset_loading(config); }),
            "config: DATASETS.CLASS_NAMES must have 3 names, as MODEL.ROI_HEADS.NUM_CLASSES says, got 2");
  config.datasets.class_names.push_back("Zecke");
  EXPECT_EQ(message_of<ConfigError>([&] { load_dataset(pair, dataset_loading(config)); }),
            "config: DATASETS.CLASS_NAMES must have 2 names, as many as " + pair + " has categories, got 3");
  config.datasets.class_names.clear();
  config.datasets.keypoint_names.push_back("middle");
  EXPECT_EQ(message_of<ConfigError>([&] { load_dataset(pair, dataset_loading(config)); }),
            "config: DATASETS.KEYPOINT_NAMES must have 2 names, as many as " + pair + " has keypoints, got 3");
}

TEST(Catalog, FaultyAnnotationsAreLeftOutUpToTheAllowedShare) {
  const TemporaryFolder folder;
  ::setenv("FASTERMASK_CACHE", (folder / "cache").c_str(), 1);
  std::string annotations = R"([{"id":1,"image_id":1,"category_id":9,"bbox":[1,1,2,2]},
    {"id":2,"image_id":1,"category_id":1,"bbox":[1,1,2,2]},{"id":2,"image_id":2,"category_id":1,"bbox":[3,1,2,2]})";
  for (int id = 3; id < 10; ++id)
    annotations += fmt::format(R"(,{{"id":{},"image_id":2,"category_id":2,"bbox":[1,1,20,2]}})", id);
  const std::string pair = write_set(folder, "a.json", annotations + "]");
  const std::string first_fault =
      "coco: " + (folder / "a.json") + ": annotation 1 (image 1): category_id 9 is not among";
  EXPECT_THAT(message_of<DataError>([&] { load_datasets({pair}); }), HasSubstr(first_fault)) << "evaluation is strict";
  DatasetFilter filter;
  filter.loading.max_bad_share = 0.1;
  const auto dataset = load_datasets({pair}, filter);
  EXPECT_THAT(class_histogram(*dataset), ElementsAre(2, 7));
  EXPECT_EQ(dataset->annotation_file, folder / "a.json");
  EXPECT_EQ(dataset->annotations(dataset->records[1])[0].id, 10) << "the id used twice";
  EXPECT_EQ(dataset->annotations(dataset->records[1])[1].box, (Box{1, 1, 21, 3})) << "a warning only: left as it is";
  filter.loading.max_bad_share = 0.09;
  const std::string message = message_of<DataError>([&] { load_datasets({pair}, filter); });
  EXPECT_THAT(message, HasSubstr(first_fault));
  EXPECT_THAT(message,
              HasSubstr("0 of 2 images and 1 of 10 annotations cannot be used, more than the allowed share of"));
  ::unsetenv("FASTERMASK_CACHE");
}

TEST(Catalog, SetsOfTheSameClassesAreJoined) {
  const TemporaryFolder folder;
  const std::string annotation =
      R"([{"id":1,"image_id":2,"category_id":1,"bbox":[1,1,2,2],"segmentation":[[1,1,3,1,3,3.5]]}])";
  const std::string a = write_set(folder, "a.json", annotation);
  const std::string b = write_set(folder, "b.json", annotation);
  const auto joined = load_datasets({a, b});
  ASSERT_EQ(joined->records.size(), 4u);
  EXPECT_EQ(joined->annotations(joined->records[0]).size(), 0u);
  const std::vector<Annotation> last = joined->annotations(joined->records[3]);
  ASSERT_EQ(last.size(), 1u);
  EXPECT_THAT(std::get<Polygons>(last[0].segmentation)[0], ElementsAre(1, 1, 3, 1, 3, 3.5));
  EXPECT_THAT(class_histogram(*joined), ElementsAre(2, 0));
  const std::string c = write_set(folder, "c.json", "[]", R"([{"id":1,"name":"cow"}])");
  EXPECT_THAT(message_of<DataError>([&] {
                load_datasets({a, c});
              }),
              HasSubstr("dataset: " + a + " and " + c +
                        " cannot be joined: their categories differ: category 1 is "
                        "'ant' in " +
                        a + ", but 'cow' in " + c));
  const std::string d = write_set(folder, "d.json", "[]", R"([{"id":1,"name":"ant"}])");
  EXPECT_THAT(message_of<DataError>([&] {
                load_datasets({a, b, d});
              }),
              HasSubstr("has 2, " + d + " has 1: only " + a + " + " + b + " has category 2, 'bee'"));
  const std::string e = write_set(folder, "e.json", "[]", R"([{"id":7,"name":"ant"},{"id":9,"name":"bee"}])");
  EXPECT_EQ(load_datasets({a, e})->records.size(), 4u) << "ids may differ, names and their order count";
}

TEST(Catalog, TheHistogramLooksAsDetectron2PrintsIt) {
  Dataset dataset;
  dataset.class_names = {"ant", "a very long name", "bee", "cow"};
  for (const int category : {0, 0, 1, 3}) {
    ImageRecord record;
    record.first_annotation = static_cast<std::uint32_t>(dataset.table.size());
    record.annotation_count = 1;
    dataset.records.push_back(record);
    AnnotationRow row;
    row.category = category;
    dataset.table.add(row, {}, {});
  }
  EXPECT_EQ(class_histogram_table(dataset),
            "Distribution of instances among all 4 categories:\n"
            "|  category  | #instances   |   category    | #instances   |  category  | #instances   |\n"
            "|:----------:|:-------------|:-------------:|:-------------|:----------:|:-------------|\n"
            "|    ant     | 2            | a very long.. | 1            |    bee     | 0            |\n"
            "|    cow     | 1            |               |              |            |              |\n"
            "|   total    | 4            |               |              |            |              |");
}

}  // namespace
}  // namespace fastermask
