#include "fastermask/data/annotation_index.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "data_fixture.h"
#include "fastermask/base/random.h"
#include "fastermask/data/coco.h"
#include "fastermask/data/loader.h"

namespace fastermask {
namespace {

using testing_support::TemporaryFolder;

// One annotation of each kind: hundredths and other polygons, RLE, keypoints, none, crowd.
constexpr const char* kIndexedJson = R"({"images":[{"id":7,"file_name":"b.jpg","height":4,"width":5},
  {"id":3,"file_name":"deep/a.jpg","height":2,"width":3},{"id":9,"file_name":"/abs/c.jpg","height":6,"width":6}],
  "categories":[{"id":2,"name":"fig","keypoints":["left_x","right_x"],"skeleton":[[1,2]]},{"id":5,"name":"däte"}],
  "annotations":[
  {"id":1,"image_id":7,"category_id":2,"bbox":[0,0.25,3,2.5],"segmentation":[[0,0.01,3.5,0,3,2],[1,1,2,1,0.123456789,2]]},
  {"id":2,"image_id":7,"category_id":5,"bbox":[0,0,2,2],"iscrowd":1,"segmentation":{"size":[4,5],"counts":[3,4,13]}},
  {"id":3,"image_id":3,"category_id":2,"bbox":[1,1,1,1],"area":0.5,"keypoints":[1,1,2,0,0,0]},
  {"id":4,"image_id":3,"category_id":2,"bbox":[1,1,1,1],"segmentation":[[1,2]]},
  {"id":5,"image_id":88,"category_id":2,"bbox":[1,1,1,1]}]})";

class AnnotationIndex : public ::testing::Test {
 protected:
  AnnotationIndex() { ::setenv("FASTERMASK_CACHE", (folder / "cache").c_str(), 1); }
  ~AnnotationIndex() override { ::unsetenv("FASTERMASK_CACHE"); }

  Dataset load(std::int64_t index_from_bytes = 1) const {
    CocoOptions options;
    options.index_from_bytes = index_from_bytes;
    return load_coco(json, "images", options);
  }
  std::string index() const { return annotation_index_paths(json).at(0); }
  bool index_fits() const {
    IndexedAnnotations ignored;
    return load_annotation_index(index(), json, ignored);
  }

  TemporaryFolder folder;
  std::string json = folder / "a.json";
};

void expect_same(const Dataset& a, const Dataset& b) {
  EXPECT_EQ(a.class_names, b.class_names);
  EXPECT_EQ(a.category_ids, b.category_ids);
  EXPECT_EQ(a.keypoint_names, b.keypoint_names);
  EXPECT_EQ(a.keypoint_flip_map, b.keypoint_flip_map);
  EXPECT_EQ(a.skeleton, b.skeleton);
  ASSERT_EQ(a.records.size(), b.records.size());
  for (std::size_t i = 0; i < a.records.size(); ++i) {
    EXPECT_EQ(a.records[i].id, b.records[i].id);
    EXPECT_EQ(a.records[i].file_name, b.records[i].file_name);
    EXPECT_EQ(a.records[i].size(), b.records[i].size());
    const auto in_a = a.annotations(a.records[i]);
    const auto in_b = b.annotations(b.records[i]);
    ASSERT_EQ(in_a.size(), in_b.size());
    for (std::size_t k = 0; k < in_a.size(); ++k) {
      EXPECT_EQ(in_a[k].id, in_b[k].id);
      EXPECT_EQ(in_a[k].category, in_b[k].category);
      EXPECT_EQ(in_a[k].xywh, in_b[k].xywh);
      EXPECT_EQ(in_a[k].area, in_b[k].area);
      EXPECT_EQ(in_a[k].crowd, in_b[k].crowd);
      ASSERT_EQ(in_a[k].segmentation.index(), in_b[k].segmentation.index());
      if (const auto* polygons = std::get_if<Polygons>(&in_a[k].segmentation)) {
        EXPECT_EQ(*polygons, std::get<Polygons>(in_b[k].segmentation));
      }
      if (const auto* rle = std::get_if<Rle>(&in_a[k].segmentation)) {
        EXPECT_EQ(rle->counts, std::get<Rle>(in_b[k].segmentation).counts);
      }
      ASSERT_EQ(in_a[k].keypoints.size(), in_b[k].keypoints.size());
      for (std::size_t p = 0; p < in_a[k].keypoints.size(); ++p) {
        EXPECT_EQ(in_a[k].keypoints[p].x, in_b[k].keypoints[p].x);
        EXPECT_EQ(in_a[k].keypoints[p].visibility, in_b[k].keypoints[p].visibility);
      }
    }
  }
}

TEST_F(AnnotationIndex, GivesBackEverythingThatTheJsonGave) {
  write_file_atomic(json, kIndexedJson);
  const Dataset parsed = load(0);
  EXPECT_FALSE(path_exists(index())) << "an index was not asked for";
  ASSERT_EQ(parsed.table.size(), 3u);
  expect_same(parsed, load());
  ASSERT_TRUE(index_fits());
  const Dataset mapped = load();
  expect_same(parsed, mapped);
  EXPECT_EQ(mapped.table.memory_bytes(), 0u) << "the second load did not map the index";
}

TEST_F(AnnotationIndex, KeepsTheWarningsOfReading) {
  write_file_atomic(json, kIndexedJson);
  load();
  IndexedAnnotations annotations;
  ASSERT_TRUE(load_annotation_index(index(), json, annotations));
  EXPECT_EQ(annotations.warnings.size(), 2u) << "one lost polygon, one annotation of an unlisted image";
}

TEST_F(AnnotationIndex, GrowsAndOutlivesTheFile) {
  write_file_atomic(json, kIndexedJson);
  load();
  Dataset mapped = load();
  std::filesystem::remove_all(folder / "cache");
  mapped.table.add_from(mapped.table, AnnotationRow(mapped.table.row(0)));
  EXPECT_EQ(mapped.table.size(), 4u);
  EXPECT_EQ(mapped.table.row(3).id, mapped.table.row(0).id);
}

TEST_F(AnnotationIndex, IsNotUsedForOtherContentOfTheSameSizeAndTime) {
  write_file_atomic(json, kIndexedJson);
  load();
  const auto time = std::filesystem::last_write_time(json);
  std::string other = kIndexedJson;
  other.replace(other.find("fig"), 3, "fog");
  write_file_atomic(json, other);
  std::filesystem::last_write_time(json, time);
  EXPECT_FALSE(index_fits());
  EXPECT_EQ(load().class_names.at(0), "fog");
  EXPECT_TRUE(index_fits()) << "the index was not made anew";
}

TEST_F(AnnotationIndex, IsUsedForTheSameContentAtAnotherTime) {
  write_file_atomic(json, kIndexedJson);
  load();
  std::filesystem::last_write_time(json, std::filesystem::file_time_type::clock::now() - std::chrono::hours(9));
  EXPECT_TRUE(index_fits());
}

TEST_F(AnnotationIndex, IsMadeAnewWhenAnyByteOfItIsDamagedOrItsEndIsMissing) {
  write_file_atomic(json, kIndexedJson);
  const Dataset parsed = load();
  const std::string good = read_file(index());
  for (std::size_t at = 0; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    write_file_atomic(index(), bad);
    expect_same(parsed, load());
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, good.size() / 2, good.size() - 1}) {
    write_file_atomic(index(), good.substr(0, size));
    EXPECT_FALSE(index_fits()) << size;
  }
}

TEST_F(AnnotationIndex, LiesWhereTheEnvironmentSays) {
  EXPECT_EQ(index().find(folder / "cache/a.json-"), 0u) << index();
  ::setenv("FASTERMASK_CACHE", "off", 1);
  EXPECT_TRUE(annotation_index_paths(json).empty());
  ::unsetenv("FASTERMASK_CACHE");
  EXPECT_EQ(annotation_index_paths(json).at(0), folder / ".a.json.fmindex");
  EXPECT_EQ(annotation_index_paths("b.json").at(0), "./.b.json.fmindex");
}

TEST_F(AnnotationIndex, DoesNotFailALoadWhenItCannotBeWritten) {
  write_file_atomic(json, kIndexedJson);
  write_file_atomic(folder / "file", "");
  ::setenv("FASTERMASK_CACHE", (folder / "file/below").c_str(), 1);
  EXPECT_EQ(load().table.size(), 3u);
}

TEST(AnnotationPool, ArrangesInPlaceAsACopyWould) {
  Random random(3, RandomPurpose::shuffle, 0);
  for (const std::int64_t size : {0, 1, 2, 7, 100}) {
    std::vector<int> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 10 * static_cast<int>(i);
    std::vector<std::uint32_t> order;
    for (const std::int64_t place : random.permutation(size)) order.push_back(static_cast<std::uint32_t>(place));
    std::vector<int> expected;
    for (const std::uint32_t place : order) expected.push_back(values[place]);
    AnnotationPool<int> pool(values);
    pool.arrange(order);
    EXPECT_EQ(std::vector<int>(pool.begin(), pool.end()), expected);
  }
}

TEST(Coco, NamesTheFirstFaultyAnnotationOfManyBlocks) {
  TemporaryFolder folder;
  std::string text =
      R"({"images":[{"id":1,"file_name":"a","height":4,"width":5}],"categories":[{"id":1,"name":"a"}],"annotations":[)";
  for (int i = 0; i < 9000; ++i) {
    const bool faulty = i == 5000 || i == 5001 || i == 8999;
    text += fmt::format(R"({}{{"id":{},"image_id":1,"category_id":1,"bbox":[1,1,2{}]}})", i == 0 ? "" : ",", i + 1,
                        faulty ? "" : ",2");
  }
  write_file_atomic(folder / "a.json", text + "]}");
  const std::string message = testing_support::message_of<DataError>([&] { load_coco(folder / "a.json", ""); });
  EXPECT_NE(message.find("annotation 5001 (image 1): bbox must be 4 numbers"), std::string::npos) << message;
}

TEST(LoaderOptions, TakeTheAllowedShareOfBadImagesFromTheConfig) {
  Config config;
  EXPECT_EQ(make_training_loader_options(config, 32, 0).max_bad_share, 0.1);
  config.dataloader.max_bad_share = 0.25;
  EXPECT_EQ(make_training_loader_options(config, 32, 0).max_bad_share, 0.25);
}

TEST(ContentChecksum, TellsEveryByteAndTheLength) {
  const std::string text(77, 'a');
  const std::uint64_t sum = content_checksum(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = 'b';
    EXPECT_NE(content_checksum(other), sum) << i;
  }
  EXPECT_NE(content_checksum(std::string(3, '\0')), content_checksum(std::string(4, '\0')));
}

TEST(Coco, TakesTheFileOfAnLvisImageFromItsUrl) {
  TemporaryFolder folder;
  write_file_atomic(folder / "lvis.json", R"({"images":[{"id":1,"height":4,"width":5,"neg_category_ids":[2],
    "not_exhaustive_category_ids":[],"coco_url":"http://images.cocodataset.org/train2017/000000391895.jpg"}],
    "categories":[{"id":1,"name":"aerosol_can","frequency":"c","synset":"aerosol.n.02","synonyms":["aerosol_can"]}],
    "annotations":[{"id":1,"image_id":1,"category_id":1,"area":4.0,"bbox":[1,1,2,2],"segmentation":[[1,1,3,1,3,3]]}]})");
  const Dataset dataset = load_coco(folder / "lvis.json", "coco");
  EXPECT_EQ(dataset.records.at(0).file_name, "coco/train2017/000000391895.jpg");
  EXPECT_EQ(dataset.table.size(), 1u);
}

}  // namespace
}  // namespace fastermask
