// The pictures of a report: which images are chosen, what is drawn on them, and that a missing picture harms nothing.
#include "fastermask/report/gallery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "fastermask/base/file.h"
#include "fastermask/data/coco.h"
#include "fastermask/data/image_io.h"
#include "fastermask/report/environment.h"

namespace fastermask {
namespace {

using ::testing::HasSubstr;

constexpr int kImages = 10;
constexpr ImageSize kSize{60, 100};

class GalleryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("gallery_test_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    std::string images;
    for (int i = 1; i <= kImages; ++i) {
      const std::string name = std::to_string(i) + ".png";
      Image gray(kSize.height, kSize.width, 3);
      std::fill(gray.pixels.begin(), gray.pixels.end(), static_cast<std::uint8_t>(128));
      write_image(in_folder(name), gray);
      images += (i > 1 ? "," : "") + (R"({"id":)" + std::to_string(i)) + R"(,"file_name":")" + name +
                R"(","height":60,"width":100})";
    }
    write_file_atomic(
        in_folder("set.json"),
        R"({"images":[)" + images +
            R"(],"categories":[{"id":1,"name":"cell"}],"annotations":[{"id":1,"image_id":1,"category_id":1,)"
            R"("iscrowd":0,"area":400,"bbox":[10,10,20,20],"segmentation":[[10,10,30,10,30,30,10,30]]}]})");
    dataset_ = std::make_shared<const Dataset>(load_coco(in_folder("set.json"), folder_.string()));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  // One detection in the right half of the picture.
  static Detections one_detection(float score) {
    Detections found;
    found.image_size = kSize;
    found.boxes = {{60, 10, 90, 50}};
    found.scores = {score};
    found.classes = {0};
    return found;
  }

  // How many pixels of the part [x0, x1) are not the picture's gray.
  static int painted(const Image& image, int x0, int x1) {
    int count = 0;
    for (int y = 0; y < image.height; ++y) {
      for (int x = x0; x < x1; ++x) {
        const std::uint8_t* pixel = &image.pixels[(static_cast<std::size_t>(y) * image.width + x) * 3];
        count += std::abs(pixel[0] - 128) > 24 || std::abs(pixel[1] - 128) > 24 || std::abs(pixel[2] - 128) > 24;
      }
    }
    return count;
  }

  std::filesystem::path folder_;
  std::shared_ptr<const Dataset> dataset_;
};

TEST_F(GalleryTest, TakesImagesFromAllOverTheSet) {
  Gallery gallery(dataset_, 4);
  for (const ImageRecord& record : dataset_->records) gallery.add(record, one_detection(0.9f));
  const std::vector<ReportPicture> pictures = gallery.pictures();
  ASSERT_EQ(pictures.size(), 4U);
  EXPECT_THAT(pictures.front().caption, HasSubstr("1.png: 1 annotated (left), 1 found"));
  EXPECT_THAT(pictures.back().caption, HasSubstr("8.png: 0 annotated (left), 1 found"));
}

TEST_F(GalleryTest, DrawsAnnotationsLeftAndDetectionsRight) {
  Gallery gallery(dataset_, 1);
  gallery.add(dataset_->records[0], one_detection(0.9f));
  const Image pair = decode_image(gallery.pictures().at(0).bytes, "pair");
  ASSERT_GE(pair.width, 2 * kSize.width);
  const int half = pair.width / 2;
  EXPECT_GT(painted(pair, 5, 40), 50);                 // the annotation
  EXPECT_EQ(painted(pair, 50, 95), 0);                 // no detection on the left
  EXPECT_GT(painted(pair, half + 55, half + 95), 50);  // the detection
}

TEST_F(GalleryTest, LeavesOutWeakDetections) {
  Gallery gallery(dataset_, 1);
  gallery.add(dataset_->records[0], one_detection(0.3f));
  EXPECT_THAT(gallery.pictures().at(0).caption, HasSubstr(" 0 found with a score of at least 0.5"));
}

TEST_F(GalleryTest, ShrinksWidePictures) {
  write_image(in_folder("1.png"), Image(100, 2000, 3));
  Gallery gallery(dataset_, 1);
  Detections none;
  none.image_size = {100, 2000};
  gallery.add(dataset_->records[0], none);
  EXPECT_EQ(decode_image(gallery.pictures().at(0).bytes, "pair").width, 1280);
}

TEST_F(GalleryTest, LeavesOutPicturesThatAreGone) {
  std::filesystem::remove(in_folder("1.png"));
  Gallery gallery(dataset_, 2);
  for (const ImageRecord& record : dataset_->records) gallery.add(record, one_detection(0.9f));
  EXPECT_EQ(gallery.pictures().size(), 1U);
}

// Image 1 has an object at (10, 10)-(30, 30); the others have none.
TEST_F(GalleryTest, RanksTheWorstAndTheBestImages) {
  RankedGallery gallery(dataset_, 2);
  Detections right = one_detection(0.9f), nothing;
  right.boxes = {{11, 10, 31, 30}};
  nothing.image_size = kSize;
  gallery.add(dataset_->records[0], right);                // quality 1
  gallery.add(dataset_->records[1], one_detection(0.9f));  // 0: one wrong
  gallery.add(dataset_->records[2], nothing);              // nothing to find, nothing found: left out
  gallery.add(dataset_->records[3], one_detection(0.3f));  // the same: too weak to count
  gallery.add(dataset_->records[4], one_detection(0.9f));
  gallery.add(dataset_->records[5], one_detection(0.9f));
  const std::vector<ReportPicture> pictures = gallery.pictures();
  ASSERT_EQ(pictures.size(), 3U);
  EXPECT_THAT(pictures[0].caption, HasSubstr("worst: 2.png: 0 of 0 objects found, 1 wrong detections"));
  EXPECT_THAT(pictures[1].caption, HasSubstr("worst: 5.png"));
  EXPECT_THAT(pictures[2].caption, HasSubstr("best: 1.png: 1 of 1 objects found, 0 wrong detections"));
}

TEST_F(GalleryTest, ShowsNoImageAsWorstAndBest) {
  RankedGallery gallery(dataset_, 3);
  Detections other_class = one_detection(0.9f);
  other_class.boxes = {{10, 10, 30, 30}};
  other_class.classes = {1};
  gallery.add(dataset_->records[0], other_class);
  const std::vector<ReportPicture> pictures = gallery.pictures();
  ASSERT_EQ(pictures.size(), 1U);
  EXPECT_THAT(pictures[0].caption, HasSubstr("worst: 1.png: 0 of 1 objects found, 1 wrong detections"));
}

TEST(Environment, NamesProgramMachineAndLibraries) {
  std::string names;
  for (const auto& [name, value] : environment_facts()) {
    EXPECT_FALSE(value.empty()) << name;
    names += name + ";";
  }
  EXPECT_THAT(names, HasSubstr("fastermask;build;compiler;system;processor;cores;"));
}

}  // namespace
}  // namespace fastermask
