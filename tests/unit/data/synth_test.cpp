// Generated scenes: exact, repeatable, and readable as a COCO data set.
#include "fastermask/data/synth.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "fastermask/base/random.h"
#include "fastermask/data/coco.h"
#include "fastermask/data/dataset_stats.h"
#include "fastermask/data/mask_outline.h"
#include "fastermask/kernels/rle.h"
#include "unit/data/data_fixture.h"

namespace fastermask {
namespace {

using testing_support::message_of;
using testing_support::TemporaryFolder;

TEST(Synth, EqualOptionsGiveEqualScenes) {
  SceneOptions options;
  const Scene a = make_scene(options, 3);
  const Scene b = make_scene(options, 3);
  EXPECT_EQ(a.image.pixels, b.image.pixels);
  EXPECT_EQ(a.instances.boxes, b.instances.boxes);
  EXPECT_NE(a.image.pixels, make_scene(options, 4).image.pixels);
  options.seed = 2;
  EXPECT_NE(a.image.pixels, make_scene(options, 3).image.pixels);
}

TEST(Synth, MasksDoNotOverlapAndBoxesAreTheirs) {
  for (std::int64_t index = 0; index < 20; ++index) {
    const Scene scene = make_scene({}, index);
    ASSERT_GE(scene.instances.size(), 1u);
    std::vector<int> count(256 * 256);
    for (std::size_t i = 0; i < scene.instances.size(); ++i) {
      const BitMask mask = rle_decode(std::get<Rle>(scene.instances.masks[i]));
      float x1 = 256, y1 = 256, x2 = 0, y2 = 0;
      for (int y = 0; y < 256; ++y) {
        for (int x = 0; x < 256; ++x) {
          if (mask.row(y)[x] == 0) continue;
          ++count[static_cast<std::size_t>(y * 256 + x)];
          x1 = std::min(x1, static_cast<float>(x));
          y1 = std::min(y1, static_cast<float>(y));
          x2 = std::max(x2, static_cast<float>(x + 1));
          y2 = std::max(y2, static_cast<float>(y + 1));
        }
      }
      EXPECT_EQ(scene.instances.boxes[i], (Box{x1, y1, x2, y2}));
    }
    EXPECT_LE(*std::max_element(count.begin(), count.end()), 1);
  }
}

TEST(Synth, ADataSetIsWrittenThatLoadsWithExactMasks) {
  const TemporaryFolder folder;
  SynthOptions options;
  options.train_images = 4;
  options.val_images = 2;
  options.scene.size = {96, 128};
  options.scene.classes = {"ring", "cross"};
  options.image_ending = ".png";
  const std::vector<std::string> files = write_synthetic_dataset(folder.path(), options);
  ASSERT_EQ(files.size(), 2u);
  const Dataset train = load_coco(files[0], folder / "images/train");
  const Dataset val = load_coco(files[1], folder / "images/val");
  EXPECT_EQ(train.class_names, options.scene.classes);
  ASSERT_EQ(train.records.size(), 4u);
  EXPECT_EQ(val.records.size(), 2u);
  for (std::int64_t i = 0; i < 4; ++i) {
    const Scene scene = make_scene(options.scene, i);
    const ImageRecord& record = train.records[static_cast<std::size_t>(i)];
    EXPECT_EQ(read_image(record.file_name).pixels, scene.image.pixels);
    const std::vector<Annotation> annotations = train.annotations(record);
    ASSERT_EQ(annotations.size(), scene.instances.size());
    for (std::size_t k = 0; k < annotations.size(); ++k) {
      EXPECT_EQ(annotations[k].box, scene.instances.boxes[k]);
      EXPECT_EQ(polygons_to_rle(std::get<Polygons>(annotations[k].segmentation), 96, 128),
                std::get<Rle>(scene.instances.masks[k]));
      EXPECT_EQ(annotations[k].area, static_cast<double>(rle_area(std::get<Rle>(scene.instances.masks[k]))));
    }
  }
}

TEST(Synth, WrongOptionsAreRefused) {
  SceneOptions options;
  options.classes = {"dics"};
  EXPECT_EQ(message_of<UsageError>([&] { make_scene(options, 0); }),
            "synth: unknown class 'dics'; did you mean 'disc'?; the classes are disc, square, triangle, star, ring, "
            "crescent, cross");
  options = {};
  options.size = {16, 400};
  EXPECT_EQ(message_of<UsageError>([&] { make_scene(options, 0); }),
            "synth: pictures must be 32 to 8192 pixels high and wide, got 16x400");
  options = {};
  options.min_objects = 9;
  EXPECT_EQ(message_of<UsageError>([&] { make_scene(options, 0); }),
            "synth: objects a picture must be 0 to 200, lowest first, got 9 to 7");
  SynthOptions all;
  all.val_images = 0;
  EXPECT_EQ(message_of<UsageError>([&] { write_synthetic_dataset("x", all); }),
            "synth: a data set needs at least one picture to train and one to validate, got 200 and 0");
  all = {};
  all.image_ending = ".bmp";
  EXPECT_EQ(message_of<UsageError>([&] { write_synthetic_dataset("x", all); }),
            "synth: pictures must end in .jpg, .png or .webp, got '.bmp'");
}

TEST(MaskOutline, RandomBitmapsComeBackExactly) {
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    Random random(3, RandomPurpose::test, trial);
    BitMask mask(1 + static_cast<int>(random.uniform_int(14)), 1 + static_cast<int>(random.uniform_int(14)));
    const double density = random.uniform();
    for (std::uint8_t& pixel : mask.pixels) pixel = random.bernoulli(density);
    EXPECT_EQ(polygons_to_rle(mask_outlines(mask), mask.height, mask.width), rle_encode(mask)) << trial;
  }
}

TEST(DatasetStats, CountsWhatTheSceneHolds) {
  Dataset dataset;
  dataset.class_names = {"a", "b"};
  dataset.category_ids = {1, 2};
  ImageRecord record;
  record.height = 100;
  record.width = 200;
  record.annotation_count = 3;
  dataset.records = {record, record};
  dataset.records[1].annotation_count = 0;
  AnnotationRow row;
  row.xywh = {0, 0, 10, 40};
  row.area = 400;
  dataset.table.add(row, Polygons{{0, 0, 1, 0, 1, 1}}, {});
  row.xywh = {0, 0, 80, 80};
  row.area = 9999;
  row.category = 1;
  dataset.table.add(row, {}, {});
  row.crowd = true;
  dataset.table.add(row, {}, {});
  const DatasetStats stats = compute_dataset_stats(dataset);
  EXPECT_EQ(stats.images, 2);
  EXPECT_EQ(stats.empty_images, 1);
  EXPECT_EQ(stats.wide_images, 2);
  EXPECT_EQ(stats.instances, 2);
  EXPECT_EQ(stats.crowds, 1);
  EXPECT_EQ(stats.small_objects, 1);
  EXPECT_EQ(stats.large_objects, 1);
  EXPECT_EQ(stats.with_polygons, 1);
  EXPECT_DOUBLE_EQ(stats.object_side.median, 50);
  EXPECT_DOUBLE_EQ(stats.object_aspect.largest, 4);
  EXPECT_DOUBLE_EQ(stats.instances_per_image.mean, 1);
  EXPECT_EQ(stats.classes[1].images, 1);
  // Sides 20 and 80; heights / widths 4 and 1; images with 0 and 2 instances.
  EXPECT_EQ(stats.object_sides.counts.size(), 22u);
  EXPECT_EQ(stats.object_sides.counts[8], 1) << "16 to 22.6";
  EXPECT_EQ(stats.object_sides.counts[12], 1) << "64 to 90.5";
  EXPECT_EQ(stats.object_aspects.counts[12], 1) << "4 to 5.7";
  EXPECT_EQ(stats.object_aspects.counts[8], 1) << "1 to 1.4";
  EXPECT_THAT(stats.instances_images.counts, testing::ElementsAre(1, 0, 1, 0, 0));
}

TEST(DatasetStats, HistogramsHoldEveryValue) {
  const Histogram histogram = octave_histogram({0.1, 1, 1.9, 2, 3.9, 4, 100}, 0, 2, 1);
  EXPECT_THAT(histogram.edges, testing::ElementsAre(1, 2, 4));
  EXPECT_THAT(histogram.counts, testing::ElementsAre(3, 4)) << "those beyond the ends count in the first and the last";
}

}  // namespace
}  // namespace fastermask
